CREATE TYPE size AS ENUM ('s');
ALTER TYPE size ADD VALUE 'm';
CREATE TABLE shirts (id int, size size DEFAULT 'm');
