// Columns added and kept in step with old ones; later the old ones go.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class expand : public run_test {
protected:
    run_result expanded(std::vector<std::string> more) {
        std::vector<std::string> arguments{"--table", "t", "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("expand", arguments);
    }
    run_result contracted(std::vector<std::string> more = {}) {
        std::vector<std::string> arguments{job(), "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("contract", arguments);
    }
    std::string job() { return text_of(only_job(db().uri()), "job"); }
    long long conflicts() { return number_of(only_job(db().uri()), "conflicts").value_or(-1); }
    /// Of the row of public.t, columns with blanks between.
    std::string row(long long id) {
        return sql().scalar("SELECT note || ' ' || remark FROM t WHERE id = $1", {std::to_string(id)});
    }
    void make_renamed(std::vector<std::string> more = {}) {
        make_table(100);
        std::vector<std::string> arguments{"--rename", "note=remark"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const run_result result = expanded(arguments);
        ASSERT_TRUE(exited(result, 0));
    }
};

TEST_F(expand, keeps_both_names_of_a_column) {
    make_renamed();
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note IS DISTINCT FROM remark"), 0);
    const auto now = only_job(db().uri());
    EXPECT_EQ(text_of(now, "state"), "done");
    EXPECT_EQ(text_of(now, "strategy"), "expand");
    EXPECT_TRUE(is_true(now, "expanded"));
    EXPECT_FALSE(is_true(now, "trial"));
    EXPECT_EQ(number_of(now, "percent"), 100);
    EXPECT_EQ(number_of(now, "rows_done"), sql().number("SELECT count(*) FROM t"));
    sql().execute("INSERT INTO t (id, note) VALUES (200, 'old'); INSERT INTO t (id, remark) VALUES (201, 'new')");
    sql().execute("INSERT INTO t (id, note, remark) VALUES (202, 'both', 'both'); INSERT INTO t (id) VALUES (203)");
    EXPECT_EQ(row(200), "old old");
    EXPECT_EQ(row(201), "new new");
    EXPECT_EQ(row(202), "both both");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE id = 203 AND note IS NULL AND remark IS NULL"), 1);
    sql().execute("UPDATE t SET note = 'a' WHERE id = 1; UPDATE t SET remark = 'b' WHERE id = 2");
    EXPECT_EQ(row(1), "a a");
    EXPECT_EQ(row(2), "b b");
    sql().execute("UPDATE t SET note = NULL WHERE id = 1");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE id = 1 AND remark IS NULL"), 1);
    EXPECT_EQ(conflicts(), 0);
}

TEST_F(expand, is_planned) {
    make_table(10);
    const auto before = state_of();
    const run_result result = expanded({"--rename", "note=remark", "--dry-run"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"column remark text", "trigger"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(expand, obeys_the_policy_of_conflicts) {
    const std::vector<std::pair<std::string, std::string>> policies{{"new", "y y"}, {"old", "x x"}};
    for (const auto& [policy, left] : policies) {
        make_renamed({"--conflict", policy});
        sql().execute("UPDATE t SET note = 'x', remark = 'y' WHERE id = 1");
        EXPECT_EQ(row(1), left);
        sql().execute("INSERT INTO t (id, note, remark) VALUES (300, 'x', 'y')");
        EXPECT_EQ(row(300), left);
        EXPECT_EQ(conflicts(), 2);
        EXPECT_TRUE(exited(command("cleanup", {job()}), 0));
        sql().execute("DROP TABLE t");
    }
    make_renamed({"--conflict", "error"});
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET note = 'x', remark = 'y' WHERE id = 1"), "23000");
    EXPECT_EQ(row(1), "note 1 note 1");
    EXPECT_EQ(conflicts(), 1) << "what was rolled back counts";
}

TEST_F(expand, works_with_every_kind_of_statement) {
    make_renamed();
    sql().execute(
        "SET session_replication_role = replica; UPDATE t SET note = 'r' WHERE id = 1; RESET session_replication_role");
    EXPECT_EQ(row(1), "r r");
    sql().execute("INSERT INTO t (id, note) VALUES (1, 'u') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note");
    EXPECT_EQ(row(1), "u u");
    sql().execute("INSERT INTO t (id, remark) VALUES (2, 'v') ON CONFLICT (id) DO UPDATE SET remark = EXCLUDED.remark");
    EXPECT_EQ(row(2), "v v");
    sql().execute("CREATE TABLE from_here AS SELECT 400 + i AS id, 'c' || i AS note FROM generate_series(1, 3) AS i");
    sql().execute("INSERT INTO t (id, note) TABLE from_here");
    EXPECT_EQ(row(402), "c2 c2");
    if (sql().server_major() >= 15) {
        sql().execute(R"(
            MERGE INTO t USING (VALUES (3, 'm'), (500, 'n')) AS s (id, text) ON t.id = s.id
             WHEN MATCHED THEN UPDATE SET remark = s.text WHEN NOT MATCHED THEN INSERT (id, remark) VALUES (s.id, s.text))");
        EXPECT_EQ(row(3), "m m");
        EXPECT_EQ(row(500), "n n");
    }
    sql().execute("COPY t (id, remark) FROM PROGRAM 'echo 600,copied' (FORMAT csv)");
    EXPECT_EQ(row(600), "copied copied");
    // An ORM that writes all columns, of which it has changed the old one.
    sql().execute("UPDATE t SET note = 'orm', remark = remark, amount = amount, code = code WHERE id = 4");
    EXPECT_EQ(row(4), "orm orm");
    EXPECT_EQ(conflicts(), 0);
}

TEST_F(expand, serves_statements_prepared_before) {
    make_table(100);
    auto old_version = db().connect();
    old_version.prepare("insert_old", "INSERT INTO t VALUES ($1, $2, 1, 1)");
    old_version.prepare("update_old", "UPDATE t SET note = $2 WHERE id = $1");
    old_version.query_prepared("insert_old", {"1000", "before"});
    ASSERT_TRUE(exited(expanded({"--rename", "note=remark"}), 0));
    old_version.query_prepared("insert_old", {"1001", "after"});
    old_version.query_prepared("update_old", {"1", "now"});
    EXPECT_EQ(row(1001), "after after");
    EXPECT_EQ(row(1), "now now");
}

TEST_F(expand, carries_what_the_old_column_has) {
    const std::string reader = db().create_role("reader");
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'nobody' CHECK (name <> ''), other int,
                        CONSTRAINT t_name_key UNIQUE (name));
        CREATE INDEX t_lower_name_idx ON t (lower(name)) WHERE other > 1;
        COMMENT ON COLUMN t.name IS 'who it is';
        INSERT INTO t SELECT i, 'n' || i, i FROM generate_series(1, 50) AS i)");
    sql().execute("GRANT SELECT (name), UPDATE (name) ON t TO " + sql().identifier(reader));
    ASSERT_TRUE(exited(expanded({"--rename", "name=full_name"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid"), 5);
    EXPECT_EQ(type_of("full_name"), "character varying(40)");
    EXPECT_EQ(sql().number(
                  "SELECT attnotnull::int FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'full_name'"),
              1);
    EXPECT_EQ(sql().scalar("SELECT has_column_privilege($1, 't', 'full_name', 'UPDATE')", {reader}), "t");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t (id, full_name) VALUES (60, '')"), "23514");
    sql().execute("INSERT INTO t (id) VALUES (70)");
    EXPECT_EQ(sql().scalar("SELECT full_name FROM t WHERE id = 70"), "nobody");
    ASSERT_TRUE(exited(contracted(), 0));
    // As ALTER TABLE … RENAME COLUMN leaves it.
    sql().execute(
        "CREATE TABLE alike (id int PRIMARY KEY, other int, full_name varchar(40) NOT NULL DEFAULT 'nobody' CONSTRAINT "
        "t_name_check CHECK (full_name <> ''), CONSTRAINT alike_name_key UNIQUE (full_name))");
    EXPECT_EQ(sql().scalar("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY 1) FROM (SELECT indexrelid FROM "
                           "pg_index WHERE indrelid = 't'::regclass ORDER BY indexrelid::regclass::text) AS x"),
              "t_lower_name_idx t_name_key t_pkey");
    EXPECT_EQ(sql().scalar("SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = "
                           "'t'::regclass AND contype <> 'n'"),
              "t_name_check t_name_key t_pkey");
    if (sql().server_major() >= 18) {
        EXPECT_EQ(sql().scalar("SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = "
                               "'t'::regclass AND contype = 'n'"),
                  "t_id_not_null t_name_not_null");
    }
    EXPECT_EQ(sql().scalar("SELECT col_description('t'::regclass, attnum) FROM pg_attribute WHERE attrelid = "
                           "'t'::regclass AND attname = 'full_name'"),
              "who it is");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'name'"), 0);
    EXPECT_FALSE(is_true(only_job(db().uri()), "expanded"));
    expect_cleanup_leaves_nothing();
}

TEST_F(expand, is_taken_back_whole) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (name <> ''), n int UNIQUE);
        CREATE INDEX t_name ON t (name); INSERT INTO t SELECT i, 'n' || i, i FROM generate_series(1, 50) AS i)");
    const auto before = state_of();
    ASSERT_TRUE(exited(
        expanded({"--rename", "name=full_name", "--add", "wide bigint", "--up", "wide = n", "--down", "n = wide"}), 0));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_TRUE(is_true(only_job(db().uri()), "expanded")) << "cleanup --all leaves it alone";
    EXPECT_TRUE(exited(command("cleanup", {job()}), 0));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(expand, splits_and_merges_columns) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, full_name text, first text, middle text, last text);
        ALTER TABLE t DROP COLUMN first, DROP COLUMN middle, DROP COLUMN last;
        INSERT INTO t SELECT i, 'a' || i || ' b' || i || ' c' || i FROM generate_series(1, 20) AS i)");
    ASSERT_TRUE(
        exited(expanded({"--add", "first text", "--add", "middle text", "--add", "last text", "--up",
                         "first = split_part(full_name, ' ', 1)", "--up", "middle = split_part(full_name, ' ', 2)",
                         "--up", "last = split_part(full_name, ' ', 3)", "--down",
                         "full_name = first || ' ' || middle || ' ' || last"}),
               0));
    EXPECT_EQ(sql().scalar("SELECT first || '-' || middle || '-' || last FROM t WHERE id = 7"), "a7-b7-c7");
    sql().execute("UPDATE t SET middle = 'x' WHERE id = 7; UPDATE t SET full_name = 'd e f' WHERE id = 8");
    EXPECT_EQ(sql().scalar("SELECT full_name FROM t WHERE id = 7"), "a7 x c7");
    EXPECT_EQ(sql().scalar("SELECT first || '-' || middle || '-' || last FROM t WHERE id = 8"), "d-e-f");
    sql().execute("INSERT INTO t (id, first, middle, last) VALUES (100, 'g', 'h', 'i')");
    EXPECT_EQ(sql().scalar("SELECT full_name FROM t WHERE id = 100"), "g h i");
    ASSERT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(
        sql().number(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"),
        4);
}

TEST_F(expand, changes_a_type) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, total int NOT NULL CHECK (total >= 0)); CREATE INDEX t_total ON t (total);
        INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i)");
    ASSERT_TRUE(exited(expanded({"--add", "total_big bigint NOT NULL", "--up", "total_big = total", "--down",
                                 "total = least(total_big, 2147483647)::int"}),
                       0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE total_big = total"), 100);
    sql().execute("UPDATE t SET total_big = 5000000000 WHERE id = 1; UPDATE t SET total = 7 WHERE id = 2");
    EXPECT_EQ(sql().number("SELECT total FROM t WHERE id = 1"), 2147483647);
    EXPECT_EQ(sql().number("SELECT total_big FROM t WHERE id = 2"), 7);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_indexes WHERE tablename = 't' AND indexdef LIKE '%total_big%'"), 1);
    ASSERT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(sql().number("SELECT sum(total_big) FROM t WHERE id <= 2"), 5000000007);
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET total_big = -1 WHERE id = 1"), "23514") << "the CHECK has followed";
}

TEST_F(expand, contracts_what_has_no_way_back) {
    make_table(20);
    ASSERT_TRUE(exited(expanded({"--add", "loud text", "--up", "loud = upper(note)"}), 0));
    sql().execute("UPDATE t SET loud = 'own' WHERE id = 1");
    EXPECT_EQ(sql().scalar("SELECT note || ' ' || loud FROM t WHERE id = 1"), "note 1 own");
    EXPECT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note IS NOT NULL AND loud IS NOT NULL"), 20);
    expect_cleanup_leaves_nothing();
}

TEST_F(expand, tries_and_undoes_a_contraction) {
    make_renamed();
    ASSERT_TRUE(exited(contracted({"--try"}), 0));
    EXPECT_TRUE(is_true(only_job(db().uri()), "trial"));
    EXPECT_TRUE(is_true(only_job(db().uri()), "expanded"));
    EXPECT_EQ(sql().sqlstate_of("SELECT note FROM t"), "42703");
    sql().execute("UPDATE t SET remark = 'tried' WHERE id = 1; INSERT INTO t (id, remark) VALUES (300, 'more')");
    ASSERT_TRUE(exited(contracted({"--undo"}), 0));
    EXPECT_FALSE(is_true(only_job(db().uri()), "trial"));
    EXPECT_EQ(row(1), "tried tried");
    EXPECT_EQ(row(300), "more more");
    EXPECT_TRUE(exited(contracted({"--undo"}), 3));
    ASSERT_TRUE(exited(contracted({"--try"}), 0));
    ASSERT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(
        sql().number(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"),
        4);
    EXPECT_TRUE(exited(contracted(), 3));
    expect_cleanup_leaves_nothing();
}

TEST_F(expand, never_cascades) {
    make_renamed();
    sql().execute("CREATE VIEW v AS SELECT * FROM t");
    const run_result result = contracted();
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"view public.v"}));
    const run_result back = command("cleanup", {job()});
    EXPECT_TRUE(exited(back, 3));
    EXPECT_TRUE(says(back, {"view public.v"}));
    sql().execute("UPDATE t SET note = 'still' WHERE id = 1; DROP VIEW v");
    EXPECT_EQ(row(1), "still still");
    EXPECT_TRUE(exited(contracted(), 0));
}

TEST_F(expand, refuses_by_name) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, note text, twice int GENERATED ALWAYS AS (id * 2) STORED,
                        counted int GENERATED ALWAYS AS IDENTITY);
        CREATE DOMAIN word AS text DEFAULT 'x'; CREATE DOMAIN filled AS word; CREATE TABLE keyless (note text))");
    const auto before = state_of();
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{"--rename", "id=number"}, "primary key"},
        {{"--rename", "twice=double"}, "generated"},
        {{"--rename", "counted=n"}, "identity"},
        {{"--add", "a int", "--up", "a = twice"}, "generated"},
        {{"--rename", "absent=there"}, "no column absent"},
        {{"--rename", "note=id"}, "already exists"},
        {{"--add", "a text"}, "no --up"},
        {{"--add", "a text", "--up", "a = random()::text"}, "another value"},
        {{"--add", "a text", "--up", "a = 'x'"}, "reads no old column"},
        {{"--add", "a text", "--up", "a = missing"}, "missing"},
        {{"--add", "a text UNIQUE", "--up", "a = note"}, "only a type"},
        {{"--add", "a text, ADD COLUMN b int", "--up", "a = note"}, "one column"},
        {{"--add", "a filled", "--up", "a = note"}, "domain"},
        {{"--add", "a serial", "--up", "a = id"}, "only a type"},
        {{"--add", "a text", "--up", "a = note", "--down", "a = note"}, "no old column"},
        {{"--add", "a text", "--up", "a = note", "--up", "a = note"}, "twice"},
    };
    for (const auto& [arguments, text] : cases) {
        const run_result result = expanded(arguments);
        EXPECT_TRUE(exited(result, 3)) << text;
        EXPECT_TRUE(says(result, {text}));
    }
    EXPECT_TRUE(says(expanded({"--rename", "note=remark", "--key", "absent"}), {"no index absent"}));
    EXPECT_TRUE(exited(expanded({}), 2));
    EXPECT_TRUE(exited(expanded({"--rename", "note=remark", "--conflict", "both"}), 2));
    expect_unchanged(before);
    expect_nothing_left();
    const run_result keyless = command("expand", {"--table", "keyless", "--rename", "note=remark"});
    EXPECT_TRUE(exited(keyless, 3));
    EXPECT_TRUE(says(keyless, {"no key to walk"}));
    sql().execute("CREATE TABLE parent (note text); CREATE TABLE child () INHERITS (parent)");
    EXPECT_TRUE(exited(command("expand", {"--table", "parent", "--rename", "note=a"}), 3));
}

TEST_F(expand, names_what_uses_the_old_columns) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, cents int CHECK (cents < 1000), CONSTRAINT either CHECK (cents > 0 OR name <> ''));
        CREATE TABLE other (name text REFERENCES t (name)); CREATE VIEW v AS SELECT * FROM t;
        CREATE POLICY pol ON t USING (name <> ''); CREATE STATISTICS st ON name, cents FROM t;
        CREATE FUNCTION does_nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
        CREATE TRIGGER on_name BEFORE UPDATE OF name ON t FOR EACH ROW EXECUTE FUNCTION does_nothing())");
    if (sql().server_major() >= 15) {
        sql().execute("CREATE PUBLICATION pub FOR TABLE t (id, name)");
    }
    const auto before = state_of();
    const run_result result = expanded({"--rename", "name=full_name", "--add", "euros numeric", "--up",
                                        "euros = cents / 100.0", "--down", "cents = (euros * 100)::int", "--dry-run"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"view public.v", "policy pol", "statistics st", "other_name_fkey", "on_name",
                              "constraint t_cents_check is not made", "constraint either is not made"}));
    if (sql().server_major() >= 15) {
        EXPECT_TRUE(says(result, {"publication pub has a list of columns"}));
    }
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(expand, fires_after_other_triggers) {
    make_table(20);
    sql().execute(R"(
        CREATE FUNCTION shouts() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note := upper(NEW.note); RETURN NEW; END$$;
        CREATE TRIGGER zz_shouts BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION shouts();
        CREATE TRIGGER "~~last" BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION shouts())");
    ASSERT_TRUE(exited(expanded({"--rename", "note=remark"}), 0));
    sql().execute("INSERT INTO t (id, note) VALUES (100, 'quiet')");
    EXPECT_EQ(row(100), "QUIET QUIET");
}

TEST_F(expand, expands_partitions) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (50);
        CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (50) TO (500) PARTITION BY HASH (id);
        CREATE TABLE t2a PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE t2b PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE INDEX t_note ON t (note);
        INSERT INTO t SELECT i, 'note ' || i FROM generate_series(1, 100) AS i)");
    ASSERT_TRUE(exited(expanded({"--rename", "note=remark"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note IS DISTINCT FROM remark"), 0);
    sql().execute(
        "CREATE TABLE t3 (LIKE t INCLUDING ALL); ALTER TABLE t ATTACH PARTITION t3 FOR VALUES FROM (500) TO (600); "
        "INSERT INTO t VALUES (555, 'later')");
    sql().execute(
        "SET session_replication_role = replica; UPDATE t SET note = 'x' WHERE id IN (60, 555); RESET "
        "session_replication_role");
    EXPECT_EQ(row(60), "x x");
    EXPECT_EQ(row(555), "x x") << "a partition that was attached later";
    sql().execute("INSERT INTO t1 (id, remark) VALUES (0, 'direct')");
    EXPECT_EQ(row(0), "direct direct");
    EXPECT_EQ(
        sql().number(
            "SELECT count(*) FROM pg_indexes WHERE tablename IN ('t', 't1', 't2', 't2a', 't2b') AND indexdef LIKE "
            "'%remark%'"),
        5);
    ASSERT_TRUE(exited(contracted(), 0));
    expect_cleanup_leaves_nothing();
    EXPECT_TRUE(exited(command("expand", {"--table", "t1", "--rename", "remark=a"}), 3));
}

TEST_F(expand, follows_foreign_keys_of_partitioned_tables_where_the_server_can_validate_them) {
    sql().execute(R"(
        CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1), (2);
        CREATE TABLE t (id int PRIMARY KEY, place int CONSTRAINT t_place_fkey REFERENCES o ON DELETE CASCADE) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (50);
        INSERT INTO t VALUES (1, 1), (2, 2))");
    const run_result result = expanded({"--rename", "place=spot"});
    ASSERT_TRUE(exited(result, 0));
    const bool follows = sql().server_major() >= 18;
    EXPECT_EQ(static_cast<bool>(says(result, {"foreign key t_place_fkey is not made"})), !follows);
    if (!follows) {
        EXPECT_TRUE(exited(contracted(), 3)) << "a RENAME would have kept it";
        sql().execute("ALTER TABLE t DROP CONSTRAINT t_place_fkey");
    }
    ASSERT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND conname = "
                           "'t_place_fkey' AND convalidated"),
              follows ? 1 : 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(expand, serves_roles_without_rights_on_the_schema) {
    const std::string app = db().create_role("app");
    make_table(20);
    sql().execute("GRANT ALL ON t TO " + sql().identifier(app));
    sql().execute(
        "CREATE SCHEMA tools; CREATE FUNCTION tools.half(anyelement, more text DEFAULT '') RETURNS text IMMUTABLE "
        "LANGUAGE sql AS $$SELECT $1::text || more$$");
    sql().execute("ALTER DATABASE " + sql().identifier(db().name()) +
                  " SET search_path = public, tools; GRANT USAGE ON SCHEMA tools TO PUBLIC");
    ASSERT_TRUE(
        exited(expanded({"--add", "remark text", "--up", "remark = half(note)", "--down", "note = half(remark)"}), 0));
    auto other = db().connect_as(app);
    other.execute("INSERT INTO t (id, note) VALUES (100, 'a'); UPDATE t SET remark = 'b' WHERE id = 1");
    other.execute("UPDATE t SET note = 'c', remark = 'd' WHERE id = 2");
    EXPECT_EQ(row(100), "a a");
    EXPECT_EQ(row(1), "b b");
    EXPECT_EQ(row(2), "d d");
    EXPECT_EQ(conflicts(), 1);
    ASSERT_TRUE(exited(contracted(), 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(expand, gives_a_writers_operators_no_say) {
    sql().execute(R"(
        CREATE SCHEMA own; CREATE FUNCTION own.always(text, text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
        CREATE FUNCTION own.nothing(text, text) RETURNS text LANGUAGE sql AS $$SELECT ''::pg_catalog.text$$;
        CREATE OPERATOR own.= (LEFTARG = text, RIGHTARG = text, FUNCTION = own.always);
        CREATE OPERATOR own.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = own.nothing);
        CREATE DOMAIN own.text AS pg_catalog.text CHECK (VALUE IS NULL);
        CREATE FUNCTION half(whole text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
            $$BEGIN RETURN CASE WHEN whole = 'whole' THEN 'half' ELSE whole END; END$$)");
    const std::vector<std::pair<std::string, std::string>> ups{{"left(note || '!', 100)", "x!"}, {"half(note)", "x"}};
    for (const auto& [up, made] : ups) {
        SCOPED_TRACE(up);
        make_table(5);
        ASSERT_TRUE(exited(expanded({"--add", "remark text DEFAULT 'r'", "--up", "remark = " + up, "--down",
                                     "note = rtrim(remark, '!')"}),
                           0));
        auto writer = db().connect();
        writer.execute("SET search_path = own, pg_catalog, public");
        writer.execute("UPDATE t SET note = 'x' WHERE id = 1; UPDATE t SET remark = 'y' WHERE id = 2");
        writer.execute("INSERT INTO t (id, note) VALUES (100, 'x'); INSERT INTO t (id, remark) VALUES (101, 'y')");
        EXPECT_EQ(row(1), "x " + made);
        EXPECT_EQ(row(2), "y y");
        EXPECT_EQ(row(100), "x " + made);
        EXPECT_EQ(row(101), "y y");
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_proc WHERE proname = 'keep_in_step' AND proconfig IS NULL"),
                  up == ups[0].first ? 1 : 0)
            << "bound where that is safe, else with a search_path of its own";
        ASSERT_TRUE(exited(command("cleanup", {job()}), 0));
        sql().execute("DROP TABLE t");
    }
}

TEST_F(expand, goes_on_after_a_kill) {
    make_table(900);
    std::vector<std::string> arguments{"expand",      "--table",      "t",  "--output",   "json", "--rename",
                                       "note=remark", "--chunk-rows", "50", "--max-rate", "500"};
    pgeist_process run(db().uri(), arguments);
    run.wait_for_phase("backfill");
    run.kill_hard();
    sql().execute("UPDATE t SET note = 'meanwhile' WHERE id = 899");
    EXPECT_EQ(row(899), "meanwhile meanwhile") << "kept in step without any process";
    ASSERT_TRUE(exited(command("resume", {job(), "--max-rate", "off"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note IS DISTINCT FROM remark"), 0);
    EXPECT_TRUE(is_true(only_job(db().uri()), "expanded"));
}

TEST_F(expand, is_cancelled_and_taken_back) {
    make_table(3000);
    const auto before = state_of();
    std::vector<std::string> arguments{"expand",      "--table",      "t",  "--output",   "json", "--rename",
                                       "note=remark", "--chunk-rows", "50", "--max-rate", "500"};
    pgeist_process run(db().uri(), arguments);
    run.wait_for_phase("backfill");
    EXPECT_TRUE(exited(command("cancel", {job()}), 0));
    EXPECT_TRUE(exited(run.finish(), 6));
    expect_unchanged(before);
}

/// An expansion that has its columns and its trigger, and does not fill a row before let_fill().
class held_expand : public expand {
protected:
    void start_expand(std::vector<std::string> more) {
        sql().execute("CREATE TABLE gate AS SELECT 1 AS closed");
        std::vector<std::string> arguments{
            "expand", "--table", "t", "--output", "json", "--throttle-query", "SELECT count(*) FROM gate"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        run_ = std::make_unique<pgeist_process>(db().uri(), arguments);
        run_->wait_for_phase("backfill");
    }
    run_result let_fill() {
        sql().execute("DELETE FROM gate");
        return run_->finish();
    }

private:
    std::unique_ptr<pgeist_process> run_;
};

TEST_F(held_expand, keeps_what_the_new_version_has_written) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, total int, note text);
        INSERT INTO t SELECT i, i, 'n' || i FROM generate_series(1, 20) AS i)");
    start_expand({"--add", "total_big bigint", "--up", "total_big = total", "--down",
                  "total = least(total_big, 2147483647)::int", "--add", "loud text", "--up", "loud = upper(note)"});
    sql().execute("UPDATE t SET total_big = 5000000000 WHERE id = 1; UPDATE t SET loud = 'own' WHERE id = 2");
    sql().execute("INSERT INTO t (id, total_big, loud, note) VALUES (30, 6000000000, 'mine', 'yours')");
    ASSERT_TRUE(exited(let_fill(), 0));
    EXPECT_EQ(sql().scalar("SELECT total || ' ' || total_big || ' ' || loud FROM t WHERE id = 1"),
              "2147483647 5000000000 N1");
    EXPECT_EQ(sql().scalar("SELECT total || ' ' || total_big || ' ' || loud FROM t WHERE id = 2"), "2 2 own");
    EXPECT_EQ(sql().scalar("SELECT total || ' ' || total_big || ' ' || loud FROM t WHERE id = 30"),
              "2147483647 6000000000 mine");
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM t WHERE id > 2 AND id < 30 AND total_big = total AND loud = upper(note)"),
        18);
}

TEST_F(held_expand, fills_a_row_that_is_written_before_its_turn) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, name text, note text, visits int DEFAULT 0);
        INSERT INTO t SELECT i, 'a' || i || ' b' || i, i FROM generate_series(1, 20) AS i;
        UPDATE t SET note = 'none' WHERE id = 9)");
    start_expand({"--add", "first text", "--up", "first = split_part(name, ' ', 1)", "--add", "last text", "--up",
                  "last = split_part(name, ' ', 2)", "--down", "name = first || ' ' || last", "--add", "number int",
                  "--up", "number = note::int", "--down", "note = number::text"});
    const auto now = [&](int id) {
        return sql().scalar("SELECT concat_ws(',', name, first, last, note, number) FROM t WHERE id = " +
                            std::to_string(id));
    };
    sql().execute("UPDATE t SET visits = 1 WHERE id = 1; UPDATE t SET first = 'x' WHERE id = 2");
    sql().execute("UPDATE t SET id = -3 WHERE id = 3; UPDATE t SET name = 'y z', first = 'y', last = 'z' WHERE id = 4");
    EXPECT_EQ(now(1), "a1 b1,a1,b1,1,1");
    EXPECT_EQ(now(2), "x b2,x,b2,2,2") << "the other part is not lost";
    EXPECT_EQ(now(-3), "a3 b3,a3,b3,3,3") << "also where the walk may have been already";
    EXPECT_EQ(now(4), "y z,y,z,4,4");
    sql().execute("UPDATE t SET visits = 1 WHERE id = 9");  // the application has no part in it
    EXPECT_EQ(now(9), "a9 b9,a9,b9,none");
    const run_result named = let_fill();
    EXPECT_TRUE(exited(named, 1));
    EXPECT_TRUE(says(named, {"id = 9"}));
    sql().execute("UPDATE t SET note = '9' WHERE id = 9");
    ASSERT_TRUE(exited(command("resume", {job()}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE name = first || ' ' || last AND number = note::int"), 20);
    sql().execute("UPDATE t SET number = NULL WHERE id = 1; UPDATE t SET visits = 2 WHERE id = 1");
    EXPECT_EQ(now(1), "a1 b1,a1,b1") << "what is NULL now has been made so";
}

TEST_F(expand, contracts_only_columns_that_agree) {
    make_renamed();
    sql().execute("ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET note = 'lost' WHERE id = 77");
    sql().execute("ALTER TABLE t ENABLE ALWAYS TRIGGER " + sql().identifier("~pgeist_" + job() + "_sync"));
    for (const char* hidden : {"note", "hidden"}) {
        const run_result refused = contracted();
        EXPECT_TRUE(exited(refused, 5)) << hidden;
        EXPECT_TRUE(says(refused, {"id = 77"}));
        EXPECT_TRUE(exited(contracted({"--try"}), 0));
    }
    ASSERT_TRUE(exited(contracted({"--undo"}), 0));
    sql().execute("UPDATE t SET remark = 'lost' WHERE id = 77");
    EXPECT_TRUE(exited(contracted(), 0));
    EXPECT_EQ(sql().scalar("SELECT remark FROM t WHERE id = 77"), "lost");
}

}  // namespace
}  // namespace pgeist::test
