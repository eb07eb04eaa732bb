"""Version 2: a customer has a first and a last name. It knows nothing of the one column that version 1 has."""
import sys

from sqlalchemy import Column, Integer, Text
from sqlalchemy.orm import declarative_base

import office

Base = declarative_base()


class Customer(Base):
    __tablename__ = "customers"
    id = Column(Integer, primary_key=True)
    first_name = Column(Text, nullable=False)
    last_name = Column(Text, nullable=False)
    orders = Column(Integer, nullable=False, default=0)


def sign_up(first, last):
    return Customer(first_name=first, last_name=last)


def rename(customer, first, last):
    customer.first_name = first
    customer.last_name = last


def rename_part(customer, last):
    customer.last_name = last
    return full_name(customer)


def full_name(customer):
    return f"{customer.first_name} {customer.last_name}"


if __name__ == "__main__":
    office.work(sys.modules[__name__])
