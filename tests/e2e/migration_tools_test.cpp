// Small migrations as tools and people write them, each run twice.

#include <gtest/gtest.h>

#include "e2e/file_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

/// A migration, and what must hold after it.
struct migration {
    const char* name;
    const char* text;
    const char* holds;  ///< SQL that gives true
};

void PrintTo(const migration& what, std::ostream* to) { *to << what.name; }

class migrations : public file_test, public testing::WithParamInterface<migration> {};

TEST_P(migrations, are_run_as_they_are) {
    sql().execute(
        "CREATE TABLE public.users (id int PRIMARY KEY, email varchar(50), name text, created timestamp); "
        "CREATE TABLE public.orders (id int PRIMARY KEY, user_id int, total numeric(8, 2), state text DEFAULT 'new'); "
        "CREATE TYPE public.colour AS ENUM ('red'); CREATE INDEX orders_total ON public.orders (total); "
        "INSERT INTO public.users SELECT i, i || '@x', 'n' || i, now() FROM generate_series(1, 50) AS i; "
        "INSERT INTO public.orders SELECT i, i, i FROM generate_series(1, 50) AS i; ANALYZE");
    const run_result first = run_file(GetParam().text);
    EXPECT_TRUE(exited(first, 0)) << first.said();
    EXPECT_EQ(sql().scalar(std::string("SELECT ") + GetParam().holds), "t");
    const run_result second = run_file(GetParam().text);
    EXPECT_TRUE(exited(second, 0));
    EXPECT_TRUE(says(second, {"nothing to do"}));
    EXPECT_EQ(sql().scalar(std::string("SELECT ") + GetParam().holds), "t");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.users"), 50);
}

const migration all_of_them[] = {
    {"django",
     "BEGIN;\n--\n-- Add field status to order\n--\n"
     "ALTER TABLE \"orders\" ADD COLUMN \"status\" varchar(20) DEFAULT 'open' NOT NULL;\n"
     "ALTER TABLE \"orders\" ALTER COLUMN \"status\" DROP DEFAULT;\n"
     "--\n-- Create index\n--\nCREATE INDEX \"orders_status_idx\" ON \"orders\" (\"status\");\n"
     "ALTER TABLE \"orders\" ADD CONSTRAINT \"orders_user_fk\" FOREIGN KEY (\"user_id\") REFERENCES \"users\" (\"id\") "
     "DEFERRABLE INITIALLY DEFERRED;\nCOMMIT;\n",
     "bool_and(status = 'open') AND to_regclass('orders_status_idx') IS NOT NULL FROM orders"},
    {"rails",
     "SET client_min_messages TO warning;\n"
     "ALTER TABLE \"users\" ADD \"admin\" boolean DEFAULT FALSE NOT NULL;\n"
     "CREATE UNIQUE INDEX CONCURRENTLY \"index_users_on_email\" ON \"users\" (\"email\");\n"
     "ALTER TABLE \"users\" ALTER COLUMN \"name\" SET NOT NULL;\n"
     "ALTER TABLE \"orders\" ALTER COLUMN \"user_id\" SET NOT NULL, ALTER COLUMN \"state\" SET DEFAULT 'open';\n",
     "bool_and(indisvalid AND indisunique) FROM pg_index WHERE indexrelid = 'index_users_on_email'::regclass"},
    {"prisma",
     "-- CreateEnum\nCREATE TYPE \"Role\" AS ENUM ('USER', 'ADMIN');\n\n-- AlterTable\n"
     "ALTER TABLE \"users\" ADD COLUMN     \"role\" \"Role\" NOT NULL DEFAULT 'USER',\n"
     "ADD COLUMN     \"score\" DOUBLE PRECISION;\n\n-- CreateTable\nCREATE TABLE \"Post\" (\n    \"id\" SERIAL NOT "
     "NULL,\n"
     "    \"authorId\" INTEGER NOT NULL,\n\n    CONSTRAINT \"Post_pkey\" PRIMARY KEY (\"id\")\n);\n\n-- CreateIndex\n"
     "CREATE INDEX \"Post_authorId_idx\" ON \"Post\"(\"authorId\");\n\n-- AddForeignKey\n"
     "ALTER TABLE \"Post\" ADD CONSTRAINT \"Post_authorId_fkey\" FOREIGN KEY (\"authorId\") REFERENCES "
     "\"users\"(\"id\") "
     "ON DELETE RESTRICT ON UPDATE CASCADE;\n",
     "(SELECT count(*) FROM pg_constraint WHERE conname = 'Post_authorId_fkey' AND convalidated) = 1"},
    {"goose",
     "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
     "  NEW.created := now();\n  RETURN NEW;\nEND;\n$$;\n-- +goose StatementEnd\n"
     "CREATE TRIGGER tick BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION tick();\n"
     "-- +goose Down\nDROP TRIGGER tick ON users;\nDROP FUNCTION tick();\n",
     "EXISTS (SELECT FROM pg_trigger WHERE tgname = 'tick')"},
    {"dbmate",
     "-- migrate:up\nALTER TYPE colour ADD VALUE 'blue';\nALTER TABLE orders ADD COLUMN paint colour DEFAULT 'blue';\n"
     "-- migrate:down\nALTER TABLE orders DROP COLUMN paint;\n",
     "bool_and(paint = 'blue') FROM orders"},
    {"drizzle",
     "CREATE TABLE \"tags\" (\"id\" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, \"tag\" varchar(10));"
     "\n--> statement-breakpoint\nALTER TABLE \"tags\" ADD CONSTRAINT \"tags_tag_unique\" UNIQUE(\"tag\");"
     "\n--> statement-breakpoint\nINSERT INTO \"tags\" (\"tag\") VALUES ('a'), ('b');",
     "count(*) = 2 FROM tags"},
    {"flyway",
     "CREATE OR REPLACE VIEW paid AS SELECT * FROM orders WHERE state = 'paid';\n"
     "GRANT SELECT ON paid TO PUBLIC;\nCOMMENT ON VIEW paid IS 'it''s paid';\nREVOKE SELECT ON paid FROM PUBLIC;\n",
     "obj_description('paid'::regclass) = 'it''s paid'"},
    {"golang_migrate",
     "ALTER TABLE users RENAME COLUMN name TO full_name;\nALTER TABLE orders RENAME TO sales;\n"
     "ALTER INDEX orders_total RENAME TO sales_total;\nALTER TABLE sales ADD CHECK (total >= 0);\n",
     "to_regclass('sales_total') IS NOT NULL AND NOT EXISTS (SELECT FROM users WHERE full_name IS NULL)"},
    {"typeorm",
     "ALTER TABLE \"users\" ALTER COLUMN \"email\" TYPE character varying(200);\nALTER TABLE \"users\" ALTER COLUMN "
     "\"email\" TYPE text;\n"
     "DROP INDEX \"public\".\"orders_total\";\nCREATE INDEX \"IDX_1\" ON \"orders\" (\"total\", \"state\");\n",
     "to_regclass('orders_total') IS NULL AND format_type(atttypid, atttypmod) = 'text' FROM pg_attribute WHERE "
     "attrelid = "
     "'users'::regclass AND attname = 'email'"},
    {"pg_dump",
     "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET client_encoding = 'UTF8';\nSET "
     "standard_conforming_strings = on;\n"
     "SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n"
     "CREATE TABLE public.dumped (id bigint NOT NULL);\nCREATE SEQUENCE public.dumped_id_seq START WITH 1;\n"
     "ALTER SEQUENCE public.dumped_id_seq OWNED BY public.dumped.id;\n"
     "ALTER TABLE ONLY public.dumped ALTER COLUMN id SET DEFAULT nextval('public.dumped_id_seq'::regclass);\n"
     "SELECT pg_catalog.setval('public.dumped_id_seq', 7, true);\n"
     "ALTER TABLE ONLY public.dumped ADD CONSTRAINT dumped_pkey PRIMARY KEY (id);\n",
     "nextval('public.dumped_id_seq') >= 8"},
    {"by_hand",
     "CREATE EXTENSION IF NOT EXISTS plpgsql;\nUPDATE orders SET state = 'old' WHERE id <= 10;\nDELETE FROM orders "
     "WHERE id = 50;\n"
     "INSERT INTO orders (id, user_id, total) SELECT id + 1000, user_id, 0 FROM orders WHERE id < 3;\n"
     "WITH gone AS (DELETE FROM orders WHERE id = 49 RETURNING 1) SELECT count(*) FROM gone;\n"
     "CREATE MATERIALIZED VIEW sums AS SELECT user_id, sum(total) AS total FROM orders GROUP BY 1;\n"
     "CREATE UNIQUE INDEX ON sums (user_id);\nCREATE STATISTICS s ON user_id, state FROM orders;\n"
     "ALTER TABLE orders ALTER COLUMN total SET STATISTICS 500, SET (fillfactor = 80);\nREINDEX TABLE orders;\n"
     "CREATE POLICY own ON orders USING (true);\nALTER TABLE orders ENABLE ROW LEVEL SECURITY;\n",
     "count(*) FILTER (WHERE state = 'old') = 10 AND count(*) = 50 FROM orders"},
    {"partitions",
     "CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);\n"
     "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');\n"
     "CREATE TABLE parts_2 (LIKE parts);\nALTER TABLE parts_2 ADD CHECK (at >= '2027-01-01' AND at < '2028-01-01');\n"
     "ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');\n"
     "CREATE INDEX parts_id ON parts (id);\nINSERT INTO parts VALUES (1, '2026-05-05'), (2, '2027-05-05');\n"
     "ALTER TABLE parts DETACH PARTITION parts_1;\n",
     "count(*) = 1 FROM parts"},
};

INSTANTIATE_TEST_SUITE_P(of, migrations, testing::ValuesIn(all_of_them),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace pgeist::test
