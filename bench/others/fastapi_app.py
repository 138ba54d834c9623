"""The four questions by FastAPI and SQLAlchemy, as one would write a careful service by hand.

Served by uvicorn with uvloop and httptools, one process. Each request checks its token, then runs
in one transaction as the role of the token with its claims set, as policies read them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, ForeignKey, Identity, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, contains_eager, mapped_column, relationship

SECRET = os.environ["JWT_SECRET"]
POOL = int(os.environ["POOL"])
MOST_ROWS = 1000

engine = create_async_engine(
    os.environ["DATABASE_URL"], pool_size=POOL, max_overflow=0, pool_timeout=10
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """All tables."""


class Customer(Base):
    """The parent of items."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    city: Mapped[str | None]


class Item(Base):
    """What is read."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    title: Mapped[str]
    description: Mapped[str]
    amount: Mapped[Decimal]
    done: Mapped[bool]
    created_at: Mapped[datetime]
    customer: Mapped[Customer] = relationship(lazy="raise")


class Event(Base):
    """What is inserted."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    author: Mapped[UUID] = mapped_column(server_default=text("auth.uid()"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Out(BaseModel):
    """Models of answers are made from rows."""

    model_config = ConfigDict(from_attributes=True)


class CustomerName(Out):
    """A parent as it is embedded."""

    id: int
    name: str


class ItemOut(Out):
    """An item."""

    id: int
    customer_id: int
    title: str
    description: str
    amount: Decimal
    done: bool
    created_at: datetime


class ItemWithCustomer(ItemOut):
    """An item with its parent."""

    customer: CustomerName


class ItemBrief(Out):
    """An item in a list."""

    id: int
    title: str
    amount: Decimal


class ItemPage(BaseModel):
    """A part of a list and its length in all."""

    items: list[ItemBrief]
    total: int


class EventIn(BaseModel):
    """What a client sends."""

    kind: str
    payload: dict[str, Any] | None = None


class EventOut(Out):
    """What became of it."""

    id: int
    kind: str
    payload: dict[str, Any] | None
    author: UUID
    created_at: datetime


bearer = HTTPBearer()
ACT_AS = text(
    "select set_config('role', :role, true), set_config('request.jwt.claims', :claims, true)"
)


async def claims_of(
    given: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
) -> dict[str, Any]:
    """Return the claims of a verified token."""
    try:
        return jwt.decode(given.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "the token is not valid") from error


async def transaction(
    claims: Annotated[dict[str, Any], Depends(claims_of)],
) -> AsyncIterator[AsyncSession]:
    """Give a session in a transaction that acts as the caller."""
    async with new_session.begin() as session:
        await session.execute(ACT_AS, {"role": claims["role"], "claims": json.dumps(claims)})
        yield session


# The transaction ends before the answer is sent: a client that read it sees what it wrote.
Db = Annotated[AsyncSession, Depends(transaction, scope="function")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the pool at the end."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int, db: Db) -> ItemOut:
    """Return one item."""
    item = await db.get(Item, item_id)
    if item is None:
        raise HTTPException(404)
    return item  # type: ignore[return-value]  # FastAPI makes the model


@app.get("/items")
async def read_items(db: Db, from_id: int = 1, limit: Limit = 100) -> list[ItemWithCustomer]:
    """Return items with their parents, from a key on."""
    found = await db.scalars(
        select(Item)
        .join(Item.customer)
        .options(contains_eager(Item.customer).load_only(Customer.name))
        .where(Item.id >= from_id)
        .order_by(Item.id)
        .limit(limit)
    )
    return found.all()  # type: ignore[return-value]


@app.get("/customers/{customer_id}/items")
async def read_customer_items(customer_id: int, db: Db, limit: Limit = 20) -> ItemPage:
    """Return the first items of a customer and how many there are."""
    found = await db.execute(
        select(Item.id, Item.title, Item.amount, func.count().over().label("total"))
        .where(Item.customer_id == customer_id)
        .order_by(Item.id)
        .limit(limit)
    )
    rows = found.all()
    return ItemPage(
        items=[ItemBrief.model_validate(row) for row in rows], total=rows[0].total if rows else 0
    )


@app.post("/events", status_code=201)
async def add_event(given: EventIn, db: Db) -> EventOut:
    """Insert and return what was inserted."""
    event = Event(**given.model_dump())
    db.add(event)
    await db.flush()
    return event  # type: ignore[return-value]
