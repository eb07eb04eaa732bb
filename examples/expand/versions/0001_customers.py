"""Customers, as version 1 of the application knows them."""
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("name", sa.Text, nullable=False, index=True),
                    sa.Column("orders", sa.Integer, nullable=False, server_default="0"))


def downgrade():
    op.drop_table("customers")
