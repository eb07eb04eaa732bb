// A swap that can be taken back: the old table is kept in step and comes back, exactly, with every write made since.

#include <gtest/gtest.h>

#include <csignal>

#include "e2e/revert/revert_fixture.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class reverting : public revert_test {};

TEST_F(reverting, without_writes_the_table_is_the_one_it_was) {
    make_table(500);
    const table_state before = state_of();
    const std::string places = rows_and_places();
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(told("state"), "done");
    EXPECT_EQ(told("revertible"), "true");
    EXPECT_EQ(told("pid_alive"), "false");
    ASSERT_TRUE(exited(revert(), 0));
    expect_back(before);
    EXPECT_EQ(rows_and_places(), places);
    EXPECT_EQ(told("state"), "reverted");
    EXPECT_EQ(told("revertible"), "true");
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(reverting, cleanup_drops_the_functions_that_compare_values_too) {
    make_table(20);
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN id TYPE bigint, ALTER COLUMN note TYPE text USING note || ''"), 0));
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_nothing_left();
}

TEST_F(reverting, every_write_made_since_is_there_and_the_change_can_be_made_again) {
    make_table(300);
    const auto before = definition();
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute(
        "INSERT INTO t VALUES (1000, 'new', 1, 7), (1001, NULL, 2, 8); UPDATE t SET note = 'changed' WHERE id <= 10; "
        "DELETE FROM t WHERE id BETWEEN 20 AND 29; UPDATE t SET id = 2000 WHERE id = 30; UPDATE t SET id = 30 WHERE id "
        "= "
        "31");
    sql().execute("CREATE TABLE copy AS SELECT * FROM t");
    const run_result back = command("revert", {"1", "--output", "json"});
    ASSERT_TRUE(exited(back, 0));
    ASSERT_EQ(back.events("reverted").size(), 1U);
    const auto event = back.events("reverted").front();
    EXPECT_TRUE(event.contains("attempts"));
    EXPECT_TRUE(event.contains("lock_held_ms"));
    EXPECT_TRUE(back.events("swap").empty());
    EXPECT_EQ(back.events("verify").size(), 1U);
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(description_difference(before, definition()), std::vector<std::string>{});
    EXPECT_EQ(differing_rows(sql(), "copy", "t"), std::vector<std::string>{});

    sql().execute(
        "UPDATE t SET note = 'after' WHERE id = 1; INSERT INTO t VALUES (5000, 'x', 1, 1); DELETE FROM t WHERE "
        "id = 1000; DROP TABLE copy; CREATE TABLE copy AS SELECT * FROM t");
    const run_result again = command("revert", {"1", "--output", "json"});
    ASSERT_TRUE(exited(again, 0));
    EXPECT_EQ(again.events("swap").size(), 1U);
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(differing_rows(sql(), "copy", "t"), std::vector<std::string>{});
    EXPECT_EQ(told("state"), "done");

    sql().execute(
        "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'anew', 1, 1); DROP TABLE copy; CREATE TABLE copy "
        "AS SELECT * FROM t");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(differing_rows(sql(), "copy", "t"), std::vector<std::string>{});
    EXPECT_EQ(description_difference(before, definition()), std::vector<std::string>{});
    sql().execute("DROP TABLE copy");
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_nothing_left();
}

TEST_F(reverting, is_refused_when_planned_where_there_is_no_way_back) {
    make_table(10);
    sql().execute("ALTER TABLE t ADD COLUMN must int NOT NULL DEFAULT 1; ALTER TABLE t ALTER COLUMN must DROP DEFAULT");
    const table_state before = state_of();
    for (const char* name : {"run", "plan"}) {
        EXPECT_TRUE(exited(command(name, {"--table", "t", "--revertible", "--drop-old", "--alter", widen}), 3)) << name;
        const run_result dropped = command(name, {"--table", "t", "--revertible", "--alter", "DROP COLUMN must"});
        EXPECT_TRUE(exited(dropped, 3)) << name;
        EXPECT_TRUE(says(dropped, {"must"}));
        const run_result converted =
            command(name, {"--table", "t", "--revertible", "--alter", "ALTER COLUMN code TYPE text"});
        EXPECT_TRUE(exited(converted, 3)) << name;
        EXPECT_TRUE(says(converted, {"code"}));
    }
    for (const char* key : {"ALTER COLUMN id TYPE text", "ALTER COLUMN id TYPE numeric(4)"}) {
        const run_result converted = command("plan", {"--table", "t", "--revertible", "--alter", key});
        EXPECT_TRUE(exited(converted, 3)) << key << " may bring a row back beside the one it comes from";
        EXPECT_TRUE(says(converted, {"key"}));
    }
    const run_result named = command(
        "plan", {"--table", "t", "--revertible", "--alter", "DROP COLUMN note", "--back-set", "amount = length(note)"});
    EXPECT_TRUE(exited(named, 3));
    EXPECT_TRUE(says(named, {"\"note\" does not exist", "the change takes column note away"}));
    expect_unchanged(before);
    expect_nothing_left();
    EXPECT_TRUE(exited(
        command("plan", {"--table", "t", "--revertible", "--alter", "DROP COLUMN must", "--back-set", "must = 7"}), 0));
}

// What nobody has touched is the old value also where it cannot be computed once more: from others that were changed
// meanwhile, or by chance. Made again the change computes it anew where what it is computed from was changed.
TEST_F(reverting, what_is_computed_from_other_columns_or_anew_each_time_goes_back_untouched) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, price int, quantity int, total int, code int, gone text NOT NULL); INSERT "
        "INTO t SELECT i, 2, 3, 1, i, 'old' FROM generate_series(1, 6) i; CREATE FUNCTION draw(int) RETURNS int "
        "LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 100 + random() * 100; END'");
    const auto rows = [&] { return rows_as_text(); };
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN code TYPE int USING draw(code), DROP COLUMN gone",
                                      {"--set", "total = price * quantity", "--back-set", "gone = price"}),
                       0));
    sql().execute(
        "UPDATE t SET price = 5 WHERE id = 1; UPDATE t SET total = 7, code = 8 WHERE id = 2; INSERT INTO t VALUES (7, "
        "1, "
        "1, 1, 1)");
    EXPECT_TRUE(exited(revert({"--check"}), 0));
    sql().execute("UPDATE t SET price = 9 WHERE id IN (3, 7)");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(rows(),
              "(1,5,3,1,1,old) (2,2,3,7,8,old) (3,9,3,1,3,old) (4,2,3,1,4,old) (5,2,3,1,5,old) (6,2,3,1,6,old) "
              "(7,9,1,1,1,9)");
    const std::string drawn = sql().scalar("SELECT code::text FROM pgeist_1.t WHERE id = 4");
    sql().execute("UPDATE t SET quantity = 10 WHERE id IN (4, 5); UPDATE t SET code = 1000 WHERE id = 5");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(concat(id, ':', total), ' ' ORDER BY id) FROM t"),
              "1:6 2:7 3:6 4:20 5:20 6:6 7:1");
    EXPECT_EQ(sql().scalar("SELECT code::text FROM t WHERE id = 4"), drawn);
    EXPECT_EQ(sql().scalar("SELECT code > 1000 FROM t WHERE id = 5"), "t");
}

TEST_F(reverting, where_nothing_proves_a_value_its_way_back_must_be_said) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), total numeric(12,2)); CREATE FUNCTION cents(numeric) "
        "RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RETURN round($1, 1); END'");
    const auto plan = [&](const std::string& change, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--table", "t", "--revertible", "--alter", change});
        return command("plan", more);
    };
    const std::string others = "ALTER COLUMN total TYPE numeric(14,4) USING total * price";
    const run_result computed = plan(others);
    EXPECT_TRUE(exited(computed, 3));
    EXPECT_TRUE(says(computed, {"column total", "reads other columns", "--back-set"}));
    EXPECT_TRUE(exited(plan(others, {"--back-set", "total = total / price"}), 0));
    const run_result anew = plan("ALTER COLUMN price TYPE numeric(10,1) USING cents(price)");
    EXPECT_TRUE(exited(anew, 3));
    EXPECT_TRUE(says(anew, {"column price", "another value each time", "--back-set"}));
}

// What rows made after the swap would have in a dropped column is tried against the CHECKs over it.
TEST_F(reverting, a_dropped_column_whose_checks_refuse_new_rows_needs_another_value) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, a text CONSTRAINT a_given CHECK (a IS NOT NULL), b int DEFAULT 0 CHECK (b "
        "> 0), c int CHECK (c > 0), e int CONSTRAINT one_of_two CHECK (e IS NOT NULL OR id > 0))");
    const auto plan = [&](const std::string& column, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--table", "t", "--revertible", "--alter", "DROP COLUMN " + column});
        return command("plan", more);
    };
    const run_result null = plan("a");
    EXPECT_TRUE(exited(null, 3));
    EXPECT_TRUE(says(null, {"column a", "a_given", "NULL", "--back-set"}));
    const run_result zero = plan("b");
    EXPECT_TRUE(exited(zero, 3));
    EXPECT_TRUE(says(zero, {"column b", "t_b_check"}));
    EXPECT_TRUE(exited(plan("b", {"--back-set", "b = -1"}), 3));
    EXPECT_TRUE(exited(plan("b", {"--back-set", "b = 1"}), 0));
    EXPECT_TRUE(exited(plan("c"), 0)) << "NULL is no value that a CHECK refuses";
    EXPECT_TRUE(exited(plan("e"), 0)) << "that depends on the row";
}

TEST_F(reverting, a_domain_that_takes_no_null_needs_a_value_for_new_rows) {
    sql().execute(
        "CREATE DOMAIN given AS text NOT NULL; CREATE DOMAIN narrow AS given; CREATE TABLE t (id int PRIMARY KEY, a "
        "narrow); INSERT INTO t VALUES (1, 'x')");
    const run_result dropped = command("plan", {"--table", "t", "--revertible", "--alter", "DROP COLUMN a"});
    EXPECT_TRUE(exited(dropped, 3));
    EXPECT_TRUE(says(dropped, {"column a", "--back-set"}));
    EXPECT_TRUE(exited(
        command("plan", {"--table", "t", "--revertible", "--alter", "DROP COLUMN a", "--back-set", "a = 'none'"}), 0));
}

TEST_F(reverting, a_deferrable_key_has_no_way_back) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, note text); INSERT INTO t SELECT i FROM "
        "generate_series(1, 10) i");
    EXPECT_TRUE(exited(run({"--revertible", "--alter", "ALTER COLUMN note TYPE varchar(500)"}), 3));
    expect_nothing_left();
}

TEST_F(reverting, what_does_not_apply_is_null_in_the_status) {
    make_table(10);
    ASSERT_TRUE(exited(run({"--alter", widen}), 0));
    const boost::json::object job = status();
    for (const char* name : {"revertible", "revert_until", "unfit", "unfit_keys", "unfit_at", "why_not_revertible"}) {
        ASSERT_TRUE(job.contains(name)) << name;
        EXPECT_TRUE(job.at(name).is_null()) << name;
    }
    EXPECT_TRUE(exited(revert(), 3));
}

TEST_F(reverting, another_run_on_the_table_is_refused_while_it_can_be_reverted) {
    make_table(10);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    const run_result other = run({"--alter", "ALTER COLUMN code TYPE bigint"});
    EXPECT_TRUE(exited(other, 3));
    EXPECT_TRUE(says(other, {"pgeist revert 1", "pgeist cleanup 1"}));
    ASSERT_TRUE(exited(command("cleanup", {"1"}), 0));
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN code TYPE bigint"}), 0));
}

TEST_F(reverting, in_its_window_the_run_stays_and_a_revert_ends_it) {
    make_table(100);
    const auto window = start_window(widen);
    wait_until_told("pid_alive", "true");
    EXPECT_EQ(told("state"), "done");
    EXPECT_EQ(told("phase"), "window");
    wait_for("an end of the window", [&] { return !told("revert_until").empty(); });
    sql().execute("UPDATE t SET note = 'in the window' WHERE id = 5; INSERT INTO t VALUES (777, 'new', 1, 1)");
    const auto in_step = [&] {
        return sql().number("SELECT count(*) FROM pgeist_1.t WHERE (id = 5 AND note = 'in the window') OR id = 777") ==
               2;
    };
    wait_for("the old table in step", in_step);
    ASSERT_TRUE(exited(revert(), 0));
    const run_result ended = window->finish();
    EXPECT_TRUE(exited(ended, 0));
    EXPECT_EQ(ended.events("result").size(), 1U);
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(note_of(5), "in the window");
    EXPECT_EQ(told("state"), "reverted");
}

TEST_F(reverting, a_window_that_is_ended_by_a_signal_keeps_the_way_back) {
    make_table(100);
    const auto window = start_window(widen);
    window->signal(SIGTERM);
    EXPECT_TRUE(exited(window->finish(), 6));
    EXPECT_EQ(told("state"), "done");
    EXPECT_EQ(told("revertible"), "true");
    sql().execute("UPDATE t SET note = 'alone' WHERE id = 7");
    EXPECT_EQ(told("log_pending"), "1");
    pgeist_process again(db().uri(), {"resume", "1", "--output", "json"});
    again.wait_for_phase("window");
    wait_for("the old table in step",
             [&] { return sql().number("SELECT count(*) FROM pgeist_1.t WHERE note = 'alone'") == 1; });
    EXPECT_EQ(told("state"), "done");
    const run_result compared = command("verify", {"1", "--output", "json"});
    EXPECT_TRUE(exited(compared, 0));
    EXPECT_EQ(compared.events("verify").size(), 1U);
    again.signal(SIGTERM);
    EXPECT_TRUE(exited(again.finish(), 6));
    EXPECT_TRUE(exited(command("verify", {"1"}), 0));
    EXPECT_EQ(told("state"), "done");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(7), "alone");
}

TEST_F(reverting, a_window_that_is_over_gives_the_way_back_up) {
    make_table(100);
    const run_result result = run({"--revertible", "--revert-window", "2s", "--alter", widen});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(told("state"), "done");
    EXPECT_EQ(told("revertible"), "false");
    EXPECT_NE(told("why_not_revertible"), "");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname LIKE 'pgeist%'"),
              0);
    EXPECT_TRUE(exited(revert(), 3));
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN code TYPE bigint"}), 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(reverting, cleanup_ends_the_window_and_cleanup_of_all_leaves_it_alone) {
    make_table(100);
    const auto window = start_window(widen);
    window->signal(SIGTERM);
    EXPECT_TRUE(exited(window->finish(), 6));
    const run_result all = command("cleanup", {"--all"});
    EXPECT_TRUE(exited(all, 0));
    EXPECT_TRUE(says(all, {"job 1"}));
    EXPECT_EQ(told("revertible"), "true");
    pgeist_process again(db().uri(), {"resume", "1", "--output", "json"});
    again.wait_for_phase("window");
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    EXPECT_TRUE(exited(again.finish(), 0));
    expect_nothing_left();
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(reverting, what_others_have_put_on_the_table_is_named_and_can_be_let_go) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute(
        "CREATE INDEX t_note ON t (note); ALTER TABLE t ADD COLUMN extra int; ALTER TABLE t ADD CONSTRAINT "
        "positive CHECK (code > 0)");
    const run_result refused = revert();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"index t_note", "column extra", "constraint positive"}));
    EXPECT_TRUE(exited(revert({"--lose", "t_note"}), 3));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_TRUE(exited(revert({"--lose", "t_note", "--lose", "extra", "--lose", "positive"}), 0));
    EXPECT_EQ(type_of("id"), "integer");
}

TEST_F(reverting, a_log_that_has_outgrown_its_limit_is_switched_off) {
    make_table(1000);
    const auto window = start_window(widen, {"--max-log-size", "1MB"});
    ASSERT_TRUE(exited(command("pause", {"1"}), 0));
    sql().execute("DO $$ BEGIN FOR i IN 1 .. 60 LOOP UPDATE t SET code = code + 1; END LOOP; END $$");
    wait_until_told("revertible", "false");
    EXPECT_NE(told("why_not_revertible").find("--max-log-size"), std::string::npos);
    EXPECT_TRUE(exited(window->finish(), 0));
    sql().execute("UPDATE t SET code = 0");  // nobody hinders, or logs, it
    EXPECT_TRUE(exited(revert(), 3));
    expect_cleanup_leaves_nothing();
}

TEST_F(reverting, others_who_drop_a_column_that_goes_back_end_the_way_at_once) {
    make_table(100);
    const auto window = start_window(widen);
    sql().execute("ALTER TABLE t DROP COLUMN note; INSERT INTO t VALUES (500, 1, 1)");
    wait_until_told("revertible", "false");
    EXPECT_NE(told("why_not_revertible").find("note"), std::string::npos);
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_TRUE(exited(revert(), 3));
}

TEST_F(reverting, a_table_that_becomes_a_part_of_another_ends_the_way) {
    make_table(100);
    const auto window = start_window(widen);
    sql().execute(
        "CREATE TABLE whole (LIKE t) PARTITION BY RANGE (id); ALTER TABLE whole ATTACH PARTITION t DEFAULT; UPDATE "
        "whole "
        "SET code = 7 WHERE id = 7");  // fires no statement trigger of t
    wait_until_told("revertible", "false");
    EXPECT_NE(told("why_not_revertible").find("whole"), std::string::npos);
    EXPECT_TRUE(exited(window->finish(), 0));
}

TEST_F(reverting, truncate_in_the_window_empties_the_old_table_too) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("TRUNCATE t; INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'two', 2, 2)");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(rows_as_text(), "(1,one,1,1) (2,two,2,2)");
}

/// A column that the change adds and the server computes takes no value, whoever writes while the old table is in use.
TEST_F(reverting, a_generated_column_that_was_added_is_made_again) {
    make_table(20);
    ASSERT_TRUE(
        exited(run_revertible("ADD COLUMN twice int GENERATED ALWAYS AS (code * 2) STORED, DROP COLUMN note"), 0));
    sql().execute("UPDATE t SET code = 5 WHERE id = 5");
    ASSERT_TRUE(exited(revert(), 0));
    sql().execute(
        "INSERT INTO t VALUES (100, 'new', 1, 1); UPDATE t SET code = 77 WHERE id = 6; UPDATE t SET id = 200 WHERE id "
        "= "
        "7");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE twice IS DISTINCT FROM code * 2"), 0);
    EXPECT_EQ(sql().scalar("SELECT string_agg(concat_ws(' ', id, code), ', ' ORDER BY id) FROM t WHERE id IN (5, 6, 7, "
                           "100, 200)"),
              sql().scalar("SELECT string_agg(concat_ws(' ', id, code), ', ' ORDER BY id) FROM pgeist_1.t WHERE id IN "
                           "(5, 6, 7, 100, 200)"));
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(100), "new");
    EXPECT_EQ(note_of(200), "note 7");
}

TEST_F(reverting, all_that_hangs_on_the_table_comes_back) {
    sql().execute(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 10); "
        "CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES parent, code int, note text); "
        "INSERT INTO t SELECT i, i % 10 + 1, i, 'n' || i FROM generate_series(1, 100) i; "
        "CREATE TABLE child (t int REFERENCES t ON DELETE CASCADE); INSERT INTO child SELECT generate_series(1, 50); "
        "CREATE INDEX t_code ON t (code); CREATE STATISTICS t_stat ON p, code FROM t; "
        "CREATE TABLE audit (what text); CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT "
        "INTO audit VALUES (TG_OP); RETURN NULL; END $$; CREATE TRIGGER t_audit AFTER INSERT OR UPDATE OR DELETE ON t "
        "FOR "
        "EACH ROW EXECUTE FUNCTION audited(); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
        "CREATE "
        "POLICY p_all ON t USING (code > 0); CREATE RULE t_rule AS ON DELETE TO t WHERE OLD.code = -1 DO INSTEAD "
        "NOTHING; "
        "CREATE VIEW v AS SELECT id, note FROM t WHERE code > 5; CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n "
        "FROM t; "
        "CREATE PUBLICATION pub FOR TABLE t; COMMENT ON TABLE t IS 'a table'; COMMENT ON COLUMN t.note IS 'a note'; "
        "ALTER TABLE t ADD CONSTRAINT c_check CHECK (code < 1000000) NOT VALID");
    const auto before = definition();
    const std::string view = sql().scalar("SELECT pg_get_viewdef('v')");
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN id TYPE bigint, ADD COLUMN fresh int DEFAULT 1"), 0));
    const auto changed = definition();
    sql().execute(
        "TRUNCATE audit; UPDATE t SET note = 'u' WHERE id <= 5; DELETE FROM t WHERE id = 60; INSERT INTO t "
        "VALUES (200, 1, 9, 'i'); INSERT INTO child VALUES (200)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM audit"), 7);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM audit"), 7);  // nothing fires for rows that are brought
    EXPECT_EQ(description_difference(before, definition()), std::vector<std::string>{});
    EXPECT_EQ(sql().scalar("SELECT pg_get_viewdef('v')"), view);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 100);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM audit"), 7);
    EXPECT_EQ(description_difference(changed, definition()), std::vector<std::string>{});
}

TEST_F(reverting, a_partition_comes_back_into_its_place) {
    sql().execute(
        "CREATE TABLE whole (id int, k int, note text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); CREATE TABLE t "
        "PARTITION "
        "OF whole FOR VALUES FROM (0) TO (100); CREATE TABLE rest PARTITION OF whole DEFAULT; INSERT INTO whole SELECT "
        "i, i "
        "% 150, 'n' FROM generate_series(1, 300) i");
    const auto before = definition();
    ASSERT_TRUE(exited(run({"--revertible", "--repack"}), 0));
    sql().execute("INSERT INTO whole VALUES (1000, 5, 'x'); UPDATE whole SET note = 'y' WHERE id = 3");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(description_difference(before, definition()), std::vector<std::string>{});
    EXPECT_EQ(sql().number("SELECT count(*) FROM whole"), 301);
    EXPECT_EQ(sql().scalar("SELECT note FROM t WHERE id = 1000"), "x");
}

/// Which columns are its own and which its parents have given it is not to be set by any ALTER: meanwhile it has them
/// from others.
TEST_F(reverting, a_child_comes_back_under_its_parents) {
    sql().execute(
        "CREATE TABLE one (id int NOT NULL, note text, CHECK (id > 0)); CREATE TABLE two (code int); CREATE TABLE t "
        "(note text, own int, PRIMARY KEY (id)) INHERITS (one, two); INSERT INTO t (id, note, code, own) SELECT i, 'n' "
        "|| i, i, i FROM generate_series(1, 100) i");
    const table_state before = state_of();
    const std::string places = rows_and_places();
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN own TYPE bigint"), 0));
    ASSERT_TRUE(exited(revert(), 0));
    expect_back(before);
    EXPECT_EQ(rows_and_places(), places);
    const auto old = definition();
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(type_of("own"), "bigint");
    sql().execute("UPDATE one SET note = 'through one' WHERE id = 3; DELETE FROM two WHERE code = 4");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(description_difference(old, definition()), std::vector<std::string>{});
    EXPECT_EQ(note_of(3), "through one");
    EXPECT_EQ(sql().number("SELECT count(*) FROM one"), 99);
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_nothing_left();
    EXPECT_EQ(description_difference(old, definition()), std::vector<std::string>{});
}

/// Read again for other types a text gets casts, and the view other columns: none of that comes back.
TEST_F(reverting, what_reads_the_table_comes_back_by_its_text_unless_others_have_changed_it) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, note varchar(20), code int); INSERT INTO t SELECT i, 'n' || i, i FROM "
        "generate_series(1, 10) i; CREATE VIEW v AS SELECT id, coalesce(note, 'none'::varchar) AS note FROM t; CREATE "
        "VIEW on_v AS SELECT note FROM v WHERE note <> 'x'::varchar; CREATE VIEW theirs AS SELECT upper(note) AS note "
        "FROM t; CREATE TABLE other (note varchar(20)); ALTER TABLE other ENABLE ROW LEVEL SECURITY; CREATE POLICY "
        "known ON other USING (note IN (SELECT coalesce(t.note, 'none'::varchar) FROM t))");
    const auto texts = [&] {
        return sql().scalar(
            "SELECT concat_ws(E'\n', pg_get_viewdef('v'), pg_get_viewdef('on_v'), (SELECT pg_get_expr(polqual, "
            "polrelid) "
            "FROM pg_policy), (SELECT string_agg(concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, "
            "atttypmod)), ', ' ORDER BY 1) FROM pg_attribute WHERE attrelid IN ('v'::regclass, 'on_v'::regclass)))");
    };
    const std::string before = texts();
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN note TYPE text, RENAME COLUMN code TO number"), 0));
    const std::string led = texts();
    EXPECT_NE(led, before);
    sql().execute("CREATE OR REPLACE VIEW theirs AS SELECT lower(note) AS note FROM t");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(texts(), before);
    EXPECT_NE(sql().scalar("SELECT pg_get_viewdef('theirs')").find("lower"), std::string::npos);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(texts(), led);
}

TEST_F(reverting, late_writers_meet_a_wall_and_nobody_passes_it_by_a_setting) {
    make_table(10);
    const std::string other = db().create_role("other");
    sql().execute("GRANT ALL ON t TO " + other);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO pgeist_1.t VALUES (99, 'x', 1, 1)"), "40001");
    EXPECT_EQ(sql().sqlstate_of("SET pgeist.pass = 'guess'; INSERT INTO pgeist_1.t VALUES (99, 'x', 1, 1)"), "40001");
    EXPECT_EQ(sql().sqlstate_of("TRUNCATE pgeist_1.t"), "40001");
    sql().execute("RESET pgeist.pass");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t VALUES (99, 'x', 1, 1)"), "");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO pgeist_1.t VALUES (98, 'x', 1, 1)"), "40001");
}

}  // namespace
}  // namespace pgeist::test
