"""The sandbox's tables. It makes them itself: nothing here is worth migrating, and nobody else reads it."""

from __future__ import annotations

import asyncpg

SCHEMA = """
CREATE TABLE IF NOT EXISTS panel (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    credit numeric NOT NULL,
    delivery_delay_s double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS line (
    number bigint PRIMARY KEY,
    hooks jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS template (
    id integer PRIMARY KEY,
    text text NOT NULL
);

CREATE TABLE IF NOT EXISTS pack (
    id uuid PRIMARY KEY,
    recipients integer NOT NULL,
    created_at timestamptz NOT NULL,
    send_at timestamptz NOT NULL
);

-- One row a text that the panel accepted. `due_at` is when `state` becomes `final_state`, null once it has;
-- `reports` says how often the line's webhook is told so.
CREATE TABLE IF NOT EXISTS message (
    id bigint PRIMARY KEY,
    pack_id uuid REFERENCES pack ON DELETE CASCADE,
    line bigint NOT NULL,
    mobile bigint NOT NULL,
    text text NOT NULL,
    parts integer NOT NULL,
    send_at timestamptz NOT NULL,
    state smallint NOT NULL,
    final_state smallint NOT NULL,
    due_at timestamptz,
    state_at timestamptz,
    reports smallint NOT NULL
);
CREATE SEQUENCE IF NOT EXISTS message_id START 80000001;
CREATE INDEX IF NOT EXISTS message_pack ON message (pack_id);
CREATE INDEX IF NOT EXISTS message_mobile ON message (mobile, id);
CREATE INDEX IF NOT EXISTS message_send_at ON message (send_at, id);
CREATE INDEX IF NOT EXISTS message_due_at ON message (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS inbound (
    id bigint GENERATED ALWAYS AS IDENTITY (START 5000001) PRIMARY KEY,
    line bigint NOT NULL,
    mobile bigint NOT NULL,
    text text NOT NULL,
    received_at timestamptz NOT NULL,
    read_at timestamptz
);
CREATE INDEX IF NOT EXISTS inbound_mobile ON inbound (mobile, id);
CREATE INDEX IF NOT EXISTS inbound_unread ON inbound (id) WHERE read_at IS NULL;

-- Webhook calls: due, done, or given up (`due_at` and `done_at` both null).
CREATE TABLE IF NOT EXISTS call (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line bigint NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    due_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    done_at timestamptz,
    error text
);
CREATE INDEX IF NOT EXISTS call_due_at ON call (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS mail (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    html text,
    headers jsonb NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS mail_recipient ON mail (recipient, id);

CREATE TABLE IF NOT EXISTS fault (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    target text,
    share double precision NOT NULL,
    remaining integer,
    ends_at timestamptz,
    delay_s double precision NOT NULL
);
"""

EVERYTHING_RECEIVED = "pack, message, inbound, call, mail"


async def make(connection: asyncpg.Connection) -> None:
    """Make what is missing, inside the transaction that `connection` is in; two starts at once wait for each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('peyvand.sandbox', 0))")
    await connection.execute(SCHEMA)


async def clear(connection: asyncpg.Connection) -> None:
    """Empty phones and mailboxes; lines, templates, faults and credit stay."""
    await connection.execute(f"TRUNCATE {EVERYTHING_RECEIVED}")
