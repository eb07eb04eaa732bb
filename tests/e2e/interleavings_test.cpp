// One test for each way in which copy, replay, index build and writers can cross. Gates hold the server at a row, so
// that every step happens where the test's name says.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// public.t with ids 1 … 1000, copied by one worker in chunks of 100, in the order of the key or of the file; the copy
/// stands at row 550.
class interleaving : public run_test, public ::testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            copying_ = std::make_unique<gate>(db(), 1);
        }
    }

    void TearDown() override {
        running_.reset();
        copying_.reset();
        run_test::TearDown();
    }

    void start_and_stop_in_the_copy() {
        copying_->close();
        start_copying(copying_->expression("id = 550", "note"));
        copying_->wait_until_reached();
    }

    /// Starts the run with this expression as the value of the column note.
    void start_copying(const std::string& note, const std::string& alter = "ALTER COLUMN id TYPE bigint") {
        running_ = std::make_unique<pgeist_process>(
            db().uri(), std::vector<std::string>{"run", "--output", "json", "--table", "t", "--alter", alter, "--set",
                                                 "note = " + note, "--chunk-rows", "100", "--workers", "1",
                                                 "--copy-order", GetParam()});
    }

    /// Lets the run end well; the changed table must be what the source was.
    void go_on_and_compare() {
        sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        copying_->open();
        EXPECT_TRUE(exited(running_->finish(), 0));
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(type_of("id"), "bigint");
    }

    /// Another change than that of the others, while rows are changed and deleted.
    void alter_under_changes(const std::string& alter) {
        copying_->close();
        start_copying(copying_->expression("id = 550", "note"), alter);
        copying_->wait_until_reached();
        sql().execute("UPDATE public.t SET note = 'changed' WHERE id % 3 = 0; DELETE FROM public.t WHERE id % 7 = 0");
        sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        if (alter.find("CONSTRAINT") == std::string::npos) {
            sql().execute("ALTER TABLE public.expected " + alter);
        }
        copying_->open();
        EXPECT_TRUE(exited(running_->finish(), 0));
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
    }

    gate& copying() { return *copying_; }
    pgeist_process& running() { return *running_; }

private:
    std::unique_ptr<gate> copying_;
    std::unique_ptr<pgeist_process> running_;
};

TEST_P(interleaving, updates_below_in_and_above_the_copy) {
    start_and_stop_in_the_copy();
    sql().execute(
        "UPDATE public.t SET note = 'below' WHERE id = 10; UPDATE public.t SET note = 'in' WHERE id IN (550, 551); "
        "UPDATE public.t SET note = 'above' WHERE id = 990");
    go_on_and_compare();
}

TEST_P(interleaving, updates_to_null) {
    start_and_stop_in_the_copy();
    sql().execute("UPDATE public.t SET note = NULL, amount = NULL WHERE id IN (10, 549, 550, 990)");
    go_on_and_compare();
}

TEST_P(interleaving, deleted_rows_stay_dead) {
    start_and_stop_in_the_copy();
    sql().execute("DELETE FROM public.t WHERE id IN (10, 549, 550, 551, 990)");
    go_on_and_compare();
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 995);
}

TEST_P(interleaving, inserts_below_in_and_above_the_copy) {
    sql().execute("DELETE FROM public.t WHERE id IN (10, 545, 990)");
    start_and_stop_in_the_copy();
    sql().execute(
        "INSERT INTO public.t (id, note) VALUES (10, 'below'), (545, 'in'), (990, 'above'), (-5, 'first'), (5000, "
        "'last')");
    go_on_and_compare();
}

TEST_P(interleaving, deleted_and_inserted_again) {
    start_and_stop_in_the_copy();
    for (const std::string id : {"10", "551", "990"}) {
        sql().query("DELETE FROM public.t WHERE id = $1", {id});
        sql().query("INSERT INTO public.t (id, note) VALUES ($1, 'second life')", {id});
    }
    go_on_and_compare();
}

TEST_P(interleaving, keys_that_move_across_the_copy_in_both_directions) {
    start_and_stop_in_the_copy();
    sql().execute(
        "UPDATE public.t SET id = 5000 WHERE id = 10; UPDATE public.t SET id = -5000 WHERE id = 990; "
        "UPDATE public.t SET id = 5001 WHERE id = 551; UPDATE public.t SET id = -1 WHERE id = 20");
    go_on_and_compare();
}

TEST_P(interleaving, keys_exchanged_between_copied_and_uncopied_rows) {
    start_and_stop_in_the_copy();
    sql().execute(
        "BEGIN; UPDATE public.t SET id = -1 WHERE id = 10; UPDATE public.t SET id = 10 WHERE id = 990; "
        "UPDATE public.t SET id = 990 WHERE id = -1; COMMIT");
    go_on_and_compare();
    EXPECT_EQ(note_of(10), "note 990");
    EXPECT_EQ(note_of(990), "note 10");
}

TEST_P(interleaving, unique_values_exchanged_between_two_rows) {
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code)");
    start_and_stop_in_the_copy();
    sql().execute(
        "BEGIN; UPDATE public.t SET code = -1 WHERE id = 10; UPDATE public.t SET code = 100 WHERE id = 20; "
        "UPDATE public.t SET code = 200 WHERE id = 10; COMMIT");
    go_on_and_compare();
}

// The value stands twice in the copy until replay has mended it: a unique index can be built only after that.
TEST_P(interleaving, a_unique_value_that_moves_from_a_copied_to_an_uncopied_row) {
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code)");
    start_and_stop_in_the_copy();
    sql().execute(
        "BEGIN; UPDATE public.t SET code = -1 WHERE id = 10; UPDATE public.t SET code = 100 WHERE id = 990; COMMIT");
    go_on_and_compare();
    EXPECT_EQ(sql().number("SELECT id FROM public.t WHERE code = 100"), 990);
}

TEST_P(interleaving, a_chain_of_unique_values_through_many_rows) {
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code) DEFERRABLE");
    start_and_stop_in_the_copy();
    sql().execute("UPDATE public.t SET code = code + 10");
    sql().execute("UPDATE public.t SET code = 10010 - code WHERE id BETWEEN 1 AND 1000");
    go_on_and_compare();
}

TEST_P(interleaving, truncate_during_the_copy) {
    start_and_stop_in_the_copy();
    sync_connection truncating = db().connect();
    truncating.send(
        "TRUNCATE public.t; INSERT INTO public.t (id, note) SELECT i, 'new ' || i FROM generate_series(300, 900) AS i");
    wait_for("the TRUNCATE in the queue", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted",
                            {std::to_string(truncating.backend_pid())}) > 0;
    });
    copying().open();  // the chunk at work holds the table
    truncating.finish();
    sql().execute("CREATE TABLE public.expected AS TABLE public.t");
    EXPECT_TRUE(exited(running().finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 601);
}

// A trigger that deleted the row from the copy itself would not see it there, or would fail the application.
TEST_P(interleaving, a_delete_in_a_transaction_older_than_the_copy_of_its_row) {
    gate first_chunk(db(), 2);
    first_chunk.close();
    copying().close();
    start_copying(copying().expression("id = 550", first_chunk.expression("id = 5", "note")));
    first_chunk.wait_until_reached();
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.t");
    first_chunk.open();
    copying().wait_until_reached();
    EXPECT_EQ(
        old.sqlstate_of("DELETE FROM public.t WHERE id IN (10, 20); UPDATE public.t SET note = 'old' WHERE id = 30; "
                        "INSERT INTO public.t (id, note) VALUES (7000, 'old') ON CONFLICT (id) DO UPDATE SET note = "
                        "'conflict'; COMMIT"),
        "");
    go_on_and_compare();
    EXPECT_EQ(note_of(10), "no row");
}

TEST_P(interleaving, many_keys_committed_at_once_while_the_copy_stands) {
    start_and_stop_in_the_copy();
    sql().execute(
        "BEGIN; INSERT INTO public.t SELECT i, 'bulk', i, i FROM generate_series(2000, 21999) AS i; UPDATE public.t "
        "SET note = 'bulk' WHERE id <= 1000; DELETE FROM public.t WHERE id % 3 = 0; COMMIT");
    go_on_and_compare();
}

TEST_P(interleaving, rolled_back_work_leaves_no_trace) {
    start_and_stop_in_the_copy();
    sql().execute("BEGIN; UPDATE public.t SET note = 'gone'; DELETE FROM public.t WHERE id < 500; ROLLBACK");
    sql().execute(
        "BEGIN; SAVEPOINT s; UPDATE public.t SET id = id + 10000 WHERE id < 5; ROLLBACK TO s; UPDATE public.t SET "
        "note = 'kept' WHERE id = 3; COMMIT");
    go_on_and_compare();
    EXPECT_EQ(note_of(3), "kept");
}

TEST_P(interleaving, a_row_changed_a_thousand_times) {
    start_and_stop_in_the_copy();
    for (int round = 1; round <= 1000; ++round) {
        sql().query("UPDATE public.t SET note = $1 WHERE id = 10", {std::to_string(round)});
    }
    go_on_and_compare();
    EXPECT_EQ(note_of(10), "1000");
}

// Replay rests while indexes are built: what is written then is replayed afterwards, with all indexes there.
TEST_P(interleaving, writes_during_the_index_build) {
    gate building(db(), 2);
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code); CREATE INDEX t_gated ON public.t ((" +
                  building.expression("id = 1", "code") + "))");
    building.close();
    pgeist_process process = start({"--alter", "ALTER COLUMN amount TYPE numeric(20,2), ADD COLUMN extra int"});
    building.wait_until_reached();
    sql().execute(
        "UPDATE public.t SET code = -code WHERE id BETWEEN 100 AND 200; DELETE FROM public.t WHERE id = 300; INSERT "
        "INTO public.t (id, note, code) VALUES (5000, 'built', 3000)");
    sql().execute("CREATE TABLE public.expected AS TABLE public.t");
    building.open();
    EXPECT_TRUE(exited(process.finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t", "id, note, round(amount, 2), code"),
              std::vector<std::string>{});
}

TEST_P(interleaving, writes_while_replay_is_at_work) {
    gate building(db(), 2);
    gate replaying(db(), 3);
    sql().execute("CREATE INDEX t_gated ON public.t ((" + building.expression("id = 700", "code") + "))");
    building.close();
    pgeist_process process = start(
        {"--alter", "ADD COLUMN extra int", "--set", "note = " + replaying.expression("note = 'stop here'", "note")});
    building.wait_until_reached();
    replaying.close();
    sql().execute(
        "UPDATE public.t SET note = 'stop here' WHERE id = 500; UPDATE public.t SET note = 'first' WHERE id = 501");
    building.open();
    replaying.wait_until_reached();
    sql().execute("UPDATE public.t SET note = 'second' WHERE id IN (500, 501); DELETE FROM public.t WHERE id = 502");
    sql().execute("CREATE TABLE public.expected AS TABLE public.t");
    replaying.open();
    EXPECT_TRUE(exited(process.finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t", "id, note, amount, code"),
              std::vector<std::string>{});
}

TEST_P(interleaving, keys_that_are_equal_without_being_the_same_bytes) {
    sql().execute(
        "CREATE TABLE public.n (k numeric PRIMARY KEY, note text); INSERT INTO public.n SELECT i, 'note' FROM "
        "generate_series(1, 1000) AS i");
    copying().close();
    pgeist_process process(
        db().uri(), {"run", "--table", "n", "--alter", "ADD COLUMN extra int", "--chunk-rows", "100", "--workers", "1",
                     "--set", "note = " + copying().expression("k = 550", "note")});
    copying().wait_until_reached();
    sql().execute(
        "UPDATE public.n SET k = 10.00 WHERE k = 10; UPDATE public.n SET k = 990.000 WHERE k = 990; DELETE FROM "
        "public.n WHERE k = 20; INSERT INTO public.n VALUES (20.0, 'again')");
    sql().execute("CREATE TABLE public.expected AS TABLE public.n");
    copying().open();
    EXPECT_TRUE(exited(process.finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.n", "k, note"), std::vector<std::string>{});
}

TEST_P(interleaving, keys_that_a_collation_takes_for_equal) {
    if (sql().number("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") == 0) {
        GTEST_SKIP() << "the server is built without ICU";
    }
    sql().execute(
        "CREATE COLLATION public.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE "
        "TABLE public.c (k text COLLATE public.blind PRIMARY KEY, note text); INSERT INTO public.c SELECT 'key' || "
        "lpad(i::text, 4, '0'), 'note' FROM generate_series(1, 1000) AS i");
    copying().close();
    pgeist_process process(
        db().uri(), {"run", "--table", "c", "--alter", "ADD COLUMN extra int", "--chunk-rows", "100", "--workers", "1",
                     "--set", "note = " + copying().expression("k = 'key0550'", "note")});
    copying().wait_until_reached();
    sql().execute(
        "UPDATE public.c SET k = upper(k) WHERE k IN ('key0010', 'key0550', 'key0990'); DELETE FROM public.c WHERE k = "
        "'KEY0020'; INSERT INTO public.c VALUES ('Key0020', 'again')");
    sql().execute("CREATE TABLE public.expected AS TABLE public.c");
    copying().open();
    EXPECT_TRUE(exited(process.finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.c", "k, note"), std::vector<std::string>{});
}

TEST_P(interleaving, changes_where_a_publication_takes_in_all_tables) {
    sql().execute("CREATE PUBLICATION everything FOR ALL TABLES");
    start_and_stop_in_the_copy();
    sql().execute("UPDATE public.t SET note = 'changed' WHERE id % 3 = 0; DELETE FROM public.t WHERE id % 7 = 0");
    go_on_and_compare();
    expect_cleanup_leaves_nothing();
}

// The new table has no primary key until its other indexes are built: replay comes first. Servers from 18 on do not let
// the whole row be an identity where columns are generated.
TEST_P(interleaving, changes_of_a_carried_key_where_a_publication_takes_in_all_tables) {
    if (std::string(GetParam()) == "key") {
        sql().execute("ALTER TABLE public.t ADD COLUMN doubled int GENERATED ALWAYS AS (code * 2) STORED");
    }
    sql().execute("CREATE PUBLICATION everything FOR ALL TABLES");
    alter_under_changes("ALTER COLUMN id TYPE text");
    EXPECT_EQ(type_of("id"), "text");
    EXPECT_EQ(sql().scalar("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"), "d");
    expect_cleanup_leaves_nothing();
}

// No index of the new table has the columns by which the old one is walked.
TEST_P(interleaving, changes_of_a_key_that_is_replaced_where_a_publication_takes_in_all_tables) {
    sql().execute("CREATE PUBLICATION everything FOR ALL TABLES");
    alter_under_changes("DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, code)");
    EXPECT_EQ(sql().scalar("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"), "d");
    expect_cleanup_leaves_nothing();
}

// The server lets nobody change or delete such rows; inserted ones are captured and replayed.
TEST_P(interleaving, inserts_without_identity_where_a_publication_takes_in_all_tables) {
    sql().execute("ALTER TABLE public.t REPLICA IDENTITY NOTHING; CREATE PUBLICATION everything FOR ALL TABLES");
    start_and_stop_in_the_copy();
    sql().execute("INSERT INTO public.t (id, note) VALUES (5000, 'last')");
    go_on_and_compare();
    EXPECT_EQ(sql().scalar("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"), "n");
    expect_cleanup_leaves_nothing();
}

// What is left of such an identity is a mark that no statement can make: the new table has none.
TEST_P(interleaving, an_identity_whose_index_goes_with_a_column_where_a_publication_takes_in_all_tables) {
    sql().execute(
        "ALTER TABLE public.t ALTER code SET NOT NULL; CREATE UNIQUE INDEX t_code ON public.t (code); "
        "ALTER TABLE public.t REPLICA IDENTITY USING INDEX t_code; CREATE PUBLICATION everything FOR ALL TABLES");
    alter_under_changes("DROP COLUMN code");
    EXPECT_EQ(sql().scalar("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"), "n");
    expect_cleanup_leaves_nothing();
}

INSTANTIATE_TEST_SUITE_P(in_order_of, interleaving, ::testing::Values("key", "heap"),
                         [](const auto& order) { return std::string(order.param); });

}  // namespace
}  // namespace pgeist::test
