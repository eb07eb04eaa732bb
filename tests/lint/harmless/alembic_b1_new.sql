BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> b1a0

CREATE TABLE depots (
    id SERIAL NOT NULL,
    name VARCHAR(80),
    PRIMARY KEY (id)
);

CREATE INDEX ix_depots_name ON depots (name);

INSERT INTO alembic_version (version_num) VALUES ('b1a0') RETURNING alembic_version.version_num;

COMMIT;
