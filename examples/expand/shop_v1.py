"""Version 1: a customer has one name."""
import sys

from sqlalchemy import Column, Integer, Text
from sqlalchemy.orm import declarative_base

import office

Base = declarative_base()


class Customer(Base):
    __tablename__ = "customers"
    id = Column(Integer, primary_key=True)
    name = Column(Text, nullable=False)
    orders = Column(Integer, nullable=False, default=0)


def sign_up(first, last):
    return Customer(name=f"{first} {last}")


def rename(customer, first, last):
    customer.name = f"{first} {last}"


def rename_part(customer, last):
    customer.name = customer.name.split(" ")[0] + " " + last
    return customer.name


def full_name(customer):
    return customer.name


if __name__ == "__main__":
    office.work(sys.modules[__name__])
