"""`/v1/agents`: the staff who answer leads."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from sqlalchemy import select

from services.leads.agents.errors import AgentNotFound, NoManager
from services.leads.agents.models import Agent, Role
from services.leads.agents.schemas import AgentCreate, AgentOut, AgentPage, AgentPatch
from services.leads.agents.usecases import add_agent, change_agent, lock_agent
from services.leads.fields import CodeText
from shared.errors import PreconditionFailed
from shared.web import Keyset, PageDep, PrincipalDep, Tx, check_if_match, etag, page_of, problems, requires, router_for

router = router_for("leads", prefix="/v1/agents", tags=["agents"])

KEYSET = Keyset(sorts={"created_at": Agent.created_at}, id=Agent.id, default="created_at")


@router.post(
    "",
    status_code=201,
    response_model=AgentOut,
    dependencies=[requires("leads:admin")],
    responses=problems(NoManager),
    summary="Add an agent",
)
async def create_agent(new: AgentCreate, tx: Tx, principal: PrincipalDep, response: Response) -> AgentOut:
    """Add a member of staff. Their name and number go to messaging, so that alerts reach them."""
    agent = await add_agent(tx, new)
    response.headers["ETag"] = etag(agent.version)
    return AgentOut.shown_to(principal, agent)


@router.get("", response_model=AgentPage, dependencies=[requires("leads:read")], summary="List agents")
async def list_agents(
    tx: Tx,
    principal: PrincipalDep,
    page: PageDep,
    role: Annotated[Role | None, Query(description="`agent` or `manager`.")] = None,
    team: Annotated[CodeText | None, Query(description="Code of the team.")] = None,
    on_duty: Annotated[bool | None, Query(description="Whether they take leads now.")] = None,
    active: Annotated[bool | None, Query(description="Whether they are still with us.")] = None,
) -> AgentPage:
    """List agents, in the order in which they joined."""
    filters = {"role": role, "team": team, "on_duty": on_duty, "active": active}
    given = {name: value for name, value in filters.items() if value is not None}
    rows, next_cursor = await page_of(tx, select(Agent).filter_by(**given), KEYSET, page, filters)
    return AgentPage(items=[AgentOut.shown_to(principal, agent) for agent in rows], next_cursor=next_cursor)


@router.get(
    "/{agent_id}",
    response_model=AgentOut,
    dependencies=[requires("leads:read")],
    responses=problems(AgentNotFound),
    summary="Read an agent",
)
async def read_agent(agent_id: UUID, tx: Tx, principal: PrincipalDep, response: Response) -> AgentOut:
    """Read an agent and their share of the open leads."""
    agent = await tx.get(Agent, agent_id)
    if agent is None:
        raise AgentNotFound(agent_id)
    response.headers["ETag"] = etag(agent.version)
    return AgentOut.shown_to(principal, agent)


@router.patch(
    "/{agent_id}",
    response_model=AgentOut,
    dependencies=[requires("leads:admin")],
    responses=problems(AgentNotFound, NoManager, PreconditionFailed),
    summary="Change an agent",
)
async def patch_agent(
    agent_id: UUID, patch: AgentPatch, tx: Tx, principal: PrincipalDep, request: Request, response: Response
) -> AgentOut:
    """Change what is given; `If-Match` with the `ETag` read before keeps two people from overwriting each other."""
    agent = await lock_agent(tx, agent_id)
    check_if_match(request, agent.version)
    agent = await change_agent(tx, agent, patch)
    response.headers["ETag"] = etag(agent.version)
    return AgentOut.shown_to(principal, agent)
