"""What both versions of the application do all day, each with its own model of a customer."""
import os
import random
import signal
import sys

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

closing = False


def close(*_):
    global closing
    closing = True


def work(model):
    """Signs customers up, renames them, takes their orders, and reads again what it has written, until SIGTERM.

    `model` is the version's module: Customer, sign_up(), rename(), rename_part(), full_name().
    """
    signal.signal(signal.SIGTERM, close)
    engine = create_engine(os.environ["DATABASE_URL"])
    served = 0
    with Session(engine) as session:
        while not closing:
            serve_one(session, model)
            served += 1
    print(f"{model.__name__}: {served} customers served", file=sys.stderr)
    if served == 0:
        sys.exit("nobody was served")


def serve_one(session, model):
    first, last = f"First{random.randrange(1000)}", f"Last{random.randrange(1000)}"
    what = random.random()
    if what < 0.3:
        customer = model.sign_up(first, last)
        session.add(customer)
        expected = f"{first} {last}"
    else:
        # Nobody else changes it before we have looked at it again.
        number = random.randrange(1, 2000)
        customer = session.get(model.Customer, number, with_for_update=True, populate_existing=True)
        if customer is None:
            session.rollback()
            return
        expected = model.full_name(customer)
        if what < 0.5:
            model.rename(customer, first, last)
            expected = f"{first} {last}"
        elif what < 0.7:
            expected = model.rename_part(customer, last)
        else:
            customer.orders += 1
    session.flush()
    session.refresh(customer)
    found = model.full_name(customer)
    if found != expected:
        sys.exit(f"{model.__name__}: customer {customer.id} is called {found!r} and not {expected!r}")
    session.commit()
