#include "probe_corpus.hpp"

namespace pgeist::test {

namespace {

/// A partitioned table with a DEFAULT partition, an index and a primary key; q1 and qd have rows.
#define PARTITIONED                                                                                  \
    "CREATE TABLE app.q (id int, k int, v varchar(9), PRIMARY KEY (id, k)) PARTITION BY RANGE (k); " \
    "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES FROM (0) TO (100); "                          \
    "CREATE TABLE app.q2 PARTITION OF app.q FOR VALUES FROM (100) TO (200); "                        \
    "CREATE TABLE app.qd PARTITION OF app.q DEFAULT; CREATE INDEX q_v ON app.q (v); "                \
    "INSERT INTO app.q SELECT i, i * 10, 'v' FROM generate_series(1, 40) AS i; "
#define NO_DEFAULT                                                                                   \
    "CREATE TABLE app.q (id int, k int, v varchar(9), PRIMARY KEY (id, k)) PARTITION BY RANGE (k); " \
    "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES FROM (0) TO (100); "                          \
    "INSERT INTO app.q SELECT i, i, 'v' FROM generate_series(1, 40) AS i; "
#define TO_BE_ATTACHED                                                                           \
    "CREATE TABLE app.q3 (id int NOT NULL, k int NOT NULL, v varchar(9), PRIMARY KEY (id, k)); " \
    "INSERT INTO app.q3 SELECT i, 1000 + i, 'v' FROM generate_series(1, 30) AS i; "

}  // namespace

std::vector<corpus_case> partition_cases() {
    return {
        {"attach", NO_DEFAULT TO_BE_ATTACHED,
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_proven",
         NO_DEFAULT TO_BE_ATTACHED "ALTER TABLE app.q3 ADD CHECK (k IS NOT NULL AND k >= 1000 AND k < 2000)",
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_not_proven",
         NO_DEFAULT TO_BE_ATTACHED "ALTER TABLE app.q3 ADD CHECK (k IS NOT NULL AND k >= 1000 AND k < 2000) NOT VALID",
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_beside_default", PARTITIONED TO_BE_ATTACHED,
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_beside_proven_default",
         PARTITIONED TO_BE_ATTACHED "ALTER TABLE app.qd ADD CHECK (NOT (k IS NOT NULL AND k >= 1000 AND k < 2000))",
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_overlapping", PARTITIONED TO_BE_ATTACHED,
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (50) TO (60)"},
        {"attach_lacks_index", NO_DEFAULT "CREATE INDEX q_v ON app.q (v); " TO_BE_ATTACHED,
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"attach_with_foreign_key", NO_DEFAULT TO_BE_ATTACHED "ALTER TABLE app.q ADD FOREIGN KEY (id) REFERENCES app.t",
         "ALTER TABLE app.q ATTACH PARTITION app.q3 FOR VALUES FROM (1000) TO (2000)"},
        {"detach", NO_DEFAULT, "ALTER TABLE app.q DETACH PARTITION app.q1"},
        {"detach_beside_default", PARTITIONED, "ALTER TABLE app.q DETACH PARTITION app.q1"},
        {"detach_with_foreign_key", NO_DEFAULT "ALTER TABLE app.q ADD FOREIGN KEY (id) REFERENCES app.t",
         "ALTER TABLE app.q DETACH PARTITION app.q1"},
        {"detach_referenced",
         NO_DEFAULT "CREATE TABLE app.rq (id int, k int, FOREIGN KEY (id, k) REFERENCES app.q); "
                    "INSERT INTO app.rq SELECT NULL, i FROM generate_series(1, 20) AS i",
         "ALTER TABLE app.q DETACH PARTITION app.q1"},
        {"detach_concurrently", NO_DEFAULT, "ALTER TABLE app.q DETACH PARTITION app.q1 CONCURRENTLY", 14, 99, "",
         false},
        {"add_column", PARTITIONED, "ALTER TABLE app.q ADD COLUMN c int DEFAULT 1"},
        {"add_column_volatile", PARTITIONED, "ALTER TABLE app.q ADD COLUMN c float DEFAULT random()"},
        {"set_not_null", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN v SET NOT NULL"},
        {"set_not_null_of_partition", PARTITIONED, "ALTER TABLE app.q1 ALTER COLUMN v SET NOT NULL"},
        {"drop_column", PARTITIONED, "ALTER TABLE app.q DROP COLUMN v"},
        {"drop_key_column", PARTITIONED, "ALTER TABLE app.q DROP COLUMN k"},
        {"type_free", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN v TYPE text"},
        {"type_rewritten", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN id TYPE bigint"},
        {"type_of_key_column", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN k TYPE bigint"},
        {"type_of_partition", PARTITIONED, "ALTER TABLE app.q1 ALTER COLUMN v TYPE text"},
        {"add_check", PARTITIONED, "ALTER TABLE app.q ADD CONSTRAINT c CHECK (k >= 0)"},
        {"add_unique", PARTITIONED, "ALTER TABLE app.q ADD CONSTRAINT c UNIQUE (v, id, k)"},
        {"add_primary_key",
         "CREATE TABLE app.q (id int, k int NOT NULL) PARTITION BY RANGE (k); "
         "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES FROM (0) TO (100); "
         "INSERT INTO app.q SELECT i, i FROM generate_series(1, 20) AS i",
         "ALTER TABLE app.q ADD PRIMARY KEY (id, k)"},
        {"add_primary_key_not_null",
         "CREATE TABLE app.q (id int NOT NULL, k int NOT NULL) PARTITION BY RANGE (k); "
         "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES FROM (0) TO (100); "
         "INSERT INTO app.q SELECT i, i FROM generate_series(1, 20) AS i",
         "ALTER TABLE app.q ADD PRIMARY KEY (id, k)"},
        {"create_row_trigger", PARTITIONED,
         "CREATE TRIGGER g AFTER UPDATE ON app.q FOR EACH ROW EXECUTE FUNCTION app.nothing()"},
        {"create_statement_trigger", PARTITIONED,
         "CREATE TRIGGER g AFTER UPDATE ON app.q FOR EACH STATEMENT EXECUTE FUNCTION app.nothing()"},
        {"type_same", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN v TYPE varchar(9)"},
        {"add_unique_without_key", PARTITIONED, "ALTER TABLE app.q ADD CONSTRAINT c UNIQUE (v)"},
        {"add_foreign_key", PARTITIONED, "ALTER TABLE app.q ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES app.t"},
        {"add_foreign_key_not_valid", PARTITIONED,
         "ALTER TABLE app.q ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES app.t NOT VALID"},
        {"refer_to_it", PARTITIONED "CREATE TABLE app.rq (id int, k int); INSERT INTO app.rq VALUES (1, 10)",
         "ALTER TABLE app.rq ADD CONSTRAINT c FOREIGN KEY (id, k) REFERENCES app.q"},
        {"create_index", PARTITIONED, "CREATE INDEX q_i ON app.q (id)"},
        {"create_index_only", PARTITIONED, "CREATE INDEX q_i ON ONLY app.q (id)"},
        {"attach_index", PARTITIONED "CREATE INDEX q_i ON ONLY app.q (id); CREATE INDEX q1_i ON app.q1 (id)",
         "ALTER INDEX app.q_i ATTACH PARTITION app.q1_i"},
        {"drop_index", PARTITIONED, "DROP INDEX app.q_v"},
        {"drop_index_of_partition", PARTITIONED, "DROP INDEX app.q1_v_idx"},
        {"drop_partition", PARTITIONED, "DROP TABLE app.q1"},
        {"drop_partition_without_default", NO_DEFAULT, "DROP TABLE app.q1"},
        {"drop_all", PARTITIONED, "DROP TABLE app.q"},
        {"truncate", PARTITIONED, "TRUNCATE app.q"},
        {"truncate_partition", PARTITIONED, "TRUNCATE app.q1"},
        {"create_partition", PARTITIONED, "CREATE TABLE app.q3 PARTITION OF app.q FOR VALUES FROM (1000) TO (2000)"},
        {"create_partition_without_default", NO_DEFAULT,
         "CREATE TABLE app.q3 PARTITION OF app.q FOR VALUES FROM (1000) TO (2000)"},
        {"set_statistics", PARTITIONED, "ALTER TABLE app.q ALTER COLUMN v SET STATISTICS 10"},
        {"set_fillfactor_of_partition", PARTITIONED, "ALTER TABLE app.q1 SET (fillfactor = 80)"},
        {"rename_column", PARTITIONED, "ALTER TABLE app.q RENAME COLUMN v TO w"},
        {"identity",
         "CREATE TABLE app.q (id int GENERATED ALWAYS AS IDENTITY, k int) PARTITION BY RANGE (k); "
         "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES FROM (0) TO (100)",
         "ALTER TABLE app.q ALTER COLUMN id SET GENERATED BY DEFAULT", 17},
        {"cloned_trigger",
         PARTITIONED "CREATE TRIGGER g AFTER UPDATE ON app.q FOR EACH ROW EXECUTE FUNCTION app.nothing()",
         "DROP TRIGGER g ON app.q"},
        {"levels",
         "CREATE TABLE app.q (id int, k int, l int) PARTITION BY LIST (k); "
         "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES IN (1) PARTITION BY LIST (l); "
         "CREATE TABLE app.q11 PARTITION OF app.q1 FOR VALUES IN (1); "
         "CREATE TABLE app.q1d PARTITION OF app.q1 DEFAULT; CREATE INDEX q_i ON app.q (id); "
         "INSERT INTO app.q SELECT i, 1, i % 2 FROM generate_series(1, 20) AS i",
         "ALTER TABLE app.q ALTER COLUMN id SET NOT NULL"},
        {"drop_deep",
         "CREATE TABLE app.q (id int, k int, l int) PARTITION BY LIST (k); "
         "CREATE TABLE app.q1 PARTITION OF app.q FOR VALUES IN (1) PARTITION BY LIST (l); "
         "CREATE TABLE app.q11 PARTITION OF app.q1 FOR VALUES IN (1); "
         "CREATE TABLE app.q1d PARTITION OF app.q1 DEFAULT",
         "DROP TABLE app.q11"},
    };
}

#undef PARTITIONED
#undef NO_DEFAULT
#undef TO_BE_ATTACHED

std::vector<corpus_case> other_ddl_cases() {
    return {
        {"create_index", "", "CREATE INDEX t_n ON app.t (n)"},
        {"create_index_unnamed", "", "CREATE INDEX ON app.t (n)"},
        {"create_index_unique", "", "CREATE UNIQUE INDEX t_n ON app.t (n)"},
        {"create_index_expression", "", "CREATE INDEX t_n ON app.t (lower(x)) INCLUDE (n) WHERE n > 3"},
        {"create_index_volatile", "", "CREATE INDEX t_n ON app.t ((app.dice()))"},
        {"create_index_hash", "", "CREATE INDEX t_n ON app.t USING hash (n)"},
        {"create_index_brin", "", "CREATE INDEX t_n ON app.t USING brin (n)"},
        {"create_index_gin", "", "CREATE INDEX t_n ON app.t USING gin (a)"},
        {"create_index_exists", "CREATE INDEX t_n ON app.t (n)", "CREATE INDEX t_n ON app.t (n)"},
        {"create_index_if_not_exists", "CREATE INDEX t_n ON app.t (n)", "CREATE INDEX IF NOT EXISTS t_n ON app.t (n)"},
        {"create_index_no_column", "", "CREATE INDEX t_n ON app.t (nosuch)"},
        {"create_index_no_opclass", "", "CREATE INDEX t_n ON app.t (j)"},
        {"create_index_concurrently", "", "CREATE INDEX CONCURRENTLY t_n ON app.t (n)", 14, 99, "", false},
        {"drop_index", "CREATE INDEX t_n ON app.t (n)", "DROP INDEX app.t_n"},
        {"drop_index_of_constraint", "", "DROP INDEX app.t_pkey"},
        {"drop_index_concurrently", "CREATE INDEX t_n ON app.t (n)", "DROP INDEX CONCURRENTLY app.t_n", 14, 99, "",
         false},
        {"reindex_index", "", "REINDEX INDEX app.t_pkey"},
        {"reindex_table", "CREATE INDEX t_n ON app.t (n)", "REINDEX TABLE app.t"},
        {"alter_index_set", "CREATE INDEX t_n ON app.t (n)", "ALTER INDEX app.t_n SET (fillfactor = 70)"},
        {"alter_index_fastupdate", "CREATE INDEX t_a ON app.t USING gin (a)",
         "ALTER INDEX app.t_a SET (fastupdate = off)"},
        {"alter_index_rename", "CREATE INDEX t_n ON app.t (n)", "ALTER INDEX app.t_n RENAME TO t_m"},
        {"alter_index_statistics", "CREATE INDEX t_n ON app.t ((n + 1))",
         "ALTER INDEX app.t_n ALTER COLUMN 1 SET STATISTICS 10"},
        {"create_table", "", "CREATE TABLE app.new (id int PRIMARY KEY)"},
        {"create_table_references", "", "CREATE TABLE app.new (id int PRIMARY KEY, t_id int REFERENCES app.t)"},
        {"create_table_like", "", "CREATE TABLE app.new (LIKE app.t INCLUDING ALL)"},
        {"create_table_inherits", "", "CREATE TABLE app.new (y int) INHERITS (app.t)"},
        {"create_table_exists", "", "CREATE TABLE app.t (id int)"},
        {"create_table_if_not_exists", "", "CREATE TABLE IF NOT EXISTS app.t (id int)"},
        {"create_table_as", "", "CREATE TABLE app.new AS SELECT * FROM app.t", 14, 99, "", false},
        {"drop_table", "", "DROP TABLE app.t"},
        {"drop_table_with_foreign_keys", "ALTER TABLE app.t ADD FOREIGN KEY (p_id) REFERENCES app.p",
         "DROP TABLE app.t"},
        {"drop_table_referenced", "ALTER TABLE app.t ADD FOREIGN KEY (p_id) REFERENCES app.p", "DROP TABLE app.p"},
        {"drop_table_referenced_cascade", "ALTER TABLE app.t ADD FOREIGN KEY (p_id) REFERENCES app.p",
         "DROP TABLE app.p CASCADE"},
        {"drop_table_in_view", "CREATE VIEW app.vw AS SELECT id FROM app.t", "DROP TABLE app.t"},
        {"drop_table_in_view_cascade", "CREATE VIEW app.vw AS SELECT t.id FROM app.t JOIN app.u USING (id)",
         "DROP TABLE app.t CASCADE"},
        {"drop_table_in_function", "CREATE FUNCTION app.f(app.t) RETURNS int LANGUAGE sql AS 'SELECT 1'",
         "DROP TABLE app.t"},
        {"drop_table_with_serial", "CREATE TABLE app.s (id serial PRIMARY KEY)", "DROP TABLE app.s"},
        {"drop_table_missing", "", "DROP TABLE app.nosuch"},
        {"drop_two_tables", "", "DROP TABLE app.t, app.u"},
        {"truncate", "", "TRUNCATE app.t"},
        {"truncate_referenced", "ALTER TABLE app.t ADD FOREIGN KEY (p_id) REFERENCES app.p", "TRUNCATE app.p"},
        {"truncate_cascade",
         "ALTER TABLE app.t ADD FOREIGN KEY (p_id) REFERENCES app.p; "
         "ALTER TABLE app.u ADD FOREIGN KEY (t_id) REFERENCES app.t",
         "TRUNCATE app.p CASCADE"},
        {"truncate_restart", "CREATE TABLE app.s (id serial PRIMARY KEY)", "TRUNCATE app.s RESTART IDENTITY"},
        {"create_trigger", "", "CREATE TRIGGER g BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.nothing()"},
        {"create_constraint_trigger", "",
         "CREATE CONSTRAINT TRIGGER g AFTER UPDATE ON app.t FROM app.u FOR EACH ROW EXECUTE FUNCTION app.nothing()"},
        {"drop_trigger", "CREATE TRIGGER g BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.nothing()",
         "DROP TRIGGER g ON app.t"},
        {"alter_trigger", "CREATE TRIGGER g BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.nothing()",
         "ALTER TRIGGER g ON app.t RENAME TO h"},
        {"create_policy", "", "CREATE POLICY po ON app.t USING (n > 1)"},
        {"create_policy_over_another", "",
         "CREATE POLICY po ON app.t USING (EXISTS (SELECT FROM app.u WHERE u.id = n))"},
        {"drop_policy", "CREATE POLICY po ON app.t USING (n > 1)", "DROP POLICY po ON app.t"},
        {"create_rule", "", "CREATE RULE r AS ON DELETE TO app.t DO ALSO NOTHING"},
        {"drop_rule", "CREATE RULE r AS ON DELETE TO app.t DO ALSO NOTHING", "DROP RULE r ON app.t"},
        {"create_view", "", "CREATE VIEW app.vw AS SELECT id FROM app.t"},
        {"replace_view", "CREATE VIEW app.vw AS SELECT id FROM app.t",
         "CREATE OR REPLACE VIEW app.vw AS SELECT id, n FROM app.t"},
        {"replace_view_otherwise", "CREATE VIEW app.vw AS SELECT id FROM app.t",
         "CREATE OR REPLACE VIEW app.vw AS SELECT n FROM app.t"},
        {"drop_view", "CREATE VIEW app.vw AS SELECT id FROM app.t", "DROP VIEW app.vw"},
        {"drop_view_used", "CREATE VIEW app.vw AS SELECT id FROM app.t; CREATE VIEW app.vw2 AS SELECT id FROM app.vw",
         "DROP VIEW app.vw"},
        {"alter_view", "CREATE VIEW app.vw AS SELECT id FROM app.t", "ALTER VIEW app.vw SET (security_barrier = true)"},
        {"create_statistics", "", "CREATE STATISTICS app.st (dependencies) ON n, v FROM app.t"},
        {"drop_statistics", "CREATE STATISTICS app.st (dependencies) ON n, v FROM app.t", "DROP STATISTICS app.st"},
        {"comment_table", "", "COMMENT ON TABLE app.t IS 'x'"},
        {"comment_column", "", "COMMENT ON COLUMN app.t.n IS 'x'"},
        {"comment_constraint", "", "COMMENT ON CONSTRAINT t_pkey ON app.t IS 'x'"},
        {"comment_function", "", "COMMENT ON FUNCTION app.seven() IS 'x'", 14, 99, "", false},
        {"enum_add_value", "", "ALTER TYPE app.mood ADD VALUE 'great'"},
        {"enum_add_existing", "", "ALTER TYPE app.mood ADD VALUE 'sad'"},
        {"enum_rename_value", "", "ALTER TYPE app.mood RENAME VALUE 'sad' TO 'blue'"},
        {"enum_drop_used", "", "DROP TYPE app.mood"},
        {"domain_add_check", "ALTER TABLE app.u ADD COLUMN d app.whole; UPDATE app.u SET d = 1",
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0)"},
        {"domain_add_check_two_tables",
         "ALTER TABLE app.u ADD COLUMN d app.whole; ALTER TABLE app.p ADD COLUMN d app.whole",
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0)"},
        {"domain_add_check_not_valid", "ALTER TABLE app.u ADD COLUMN d app.whole",
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID"},
        {"domain_validate",
         "ALTER TABLE app.u ADD COLUMN d app.whole; "
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
         "ALTER DOMAIN app.whole VALIDATE CONSTRAINT c"},
        {"domain_set_not_null", "ALTER TABLE app.u ADD COLUMN d app.whole; UPDATE app.u SET d = 1",
         "ALTER DOMAIN app.whole SET NOT NULL"},
        {"domain_over_domain", "CREATE DOMAIN app.part AS app.whole; ALTER TABLE app.u ADD COLUMN d app.part",
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0)"},
        {"domain_in_array", "ALTER TABLE app.u ADD COLUMN d app.whole[]",
         "ALTER DOMAIN app.whole ADD CONSTRAINT c CHECK (VALUE > 0)"},
        {"domain_set_default", "ALTER TABLE app.u ADD COLUMN d app.whole", "ALTER DOMAIN app.whole SET DEFAULT 4"},
        {"composite_add_attribute", "CREATE TYPE app.pair AS (a int, b int); ALTER TABLE app.u ADD COLUMN d app.pair",
         "ALTER TYPE app.pair ADD ATTRIBUTE c int"},
        {"composite_alter_attribute", "CREATE TYPE app.pair AS (a int, b int); ALTER TABLE app.u ADD COLUMN d app.pair",
         "ALTER TYPE app.pair ALTER ATTRIBUTE a TYPE bigint"},
        {"create_sequence", "", "CREATE SEQUENCE app.s"},
        {"alter_sequence", "CREATE SEQUENCE app.s", "ALTER SEQUENCE app.s INCREMENT BY 5"},
        {"alter_sequence_type", "CREATE TABLE app.s (id serial PRIMARY KEY)", "ALTER SEQUENCE app.s_id_seq AS bigint"},
        {"alter_sequence_owned_by", "CREATE SEQUENCE app.s", "ALTER SEQUENCE app.s OWNED BY app.t.n"},
        {"alter_sequence_restart", "CREATE TABLE app.s (id serial PRIMARY KEY)", "ALTER SEQUENCE app.s_id_seq RESTART"},
        {"drop_sequence_used", "CREATE TABLE app.s (id serial PRIMARY KEY)", "DROP SEQUENCE app.s_id_seq"},
        {"cluster", "", "CLUSTER app.t USING t_pkey"},
        {"lock_table", "", "LOCK TABLE app.t IN SHARE MODE"},
        {"lock_view", "CREATE VIEW app.vw AS SELECT id FROM app.t", "LOCK TABLE app.vw IN SHARE MODE"},
        {"refresh", "CREATE MATERIALIZED VIEW app.mv AS SELECT id FROM app.t", "REFRESH MATERIALIZED VIEW app.mv", 14,
         99, "", false},
        {"update", "", "UPDATE app.t SET n = 1", 14, 99, "", false},
        {"code", "", "DO $$ BEGIN EXECUTE 'DROP TABLE app.t'; END $$", 14, 99, "", false},
    };
}

}  // namespace pgeist::test
