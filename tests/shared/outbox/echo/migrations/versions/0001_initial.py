"""Tables of the service that the machinery's tests run."""

from alembic import op

revision = "echo_0001"
down_revision = None
branch_labels = ("echo",)
depends_on = ("shared_0001",)


def upgrade() -> None:
    op.execute("CREATE TABLE people (id uuid CONSTRAINT pk_people PRIMARY KEY, first_name text NOT NULL)")
    op.execute("""
        CREATE TABLE opened (
            event_id uuid NOT NULL,
            key uuid NOT NULL,
            number bigint NOT NULL
        )
    """)
    op.execute("CREATE TABLE reached (event_id uuid NOT NULL)")
    op.execute("""
        CREATE TABLE state.heard (
            place bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_heard PRIMARY KEY,
            event_id uuid NOT NULL,
            key uuid NOT NULL,
            version bigint NOT NULL,
            number bigint NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE state.copies (
            key uuid CONSTRAINT pk_copies PRIMARY KEY,
            first_name text,
            version bigint NOT NULL
        )
    """)
