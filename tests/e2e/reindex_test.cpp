// Indexes rebuilt CONCURRENTLY: --only-indexes and --index, interrupted wherever the server waits, and what is left of
// it.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using words = std::vector<std::string>;

class reindexed : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(200);
        gate_ = std::make_unique<gate>(db(), 1);
        sql().execute("CREATE INDEX t_note ON public.t ((" + gate_->expression("id = 50", "code") + "))");
    }

    void TearDown() override {
        gate_.reset();
        run_test::TearDown();
    }

    run_result rebuild(words more) {
        words arguments{"--table", "t"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("run", arguments);
    }

    pgeist_process begin(words more = {"--index", "t_note"}) {
        words arguments{"run", "--output", "json", "--table", "t"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return pgeist_process(db().uri(), arguments);
    }

    /// Name, OID and validity of all indexes of the table, but for the OID of those in `without_oid`.
    std::string indexes(const std::string& without_oid = "") {
        return sql().scalar(
            "SELECT coalesce(string_agg(format('%s %s %s', relname, CASE WHEN relname = $1 THEN 0 ELSE oid END, "
            "indisvalid), ', ' ORDER BY relname), '') FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = "
            "'public.t'::regclass",
            {without_oid});
    }

    long long file_of(const std::string& index) {
        return sql().number("SELECT pg_relation_filenode($1::regclass)", {index});
    }

    void wait_for_server_phase(const std::string& phase) {
        wait_for("the server's phase " + phase, [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() "
                       "AND phase LIKE $1 || '%'",
                       {phase}) == 1;
        });
    }

    /// The server has noticed that its client is gone: nothing of it goes on.
    void end_sessions() {
        wait_for("the end of pgeist's sessions", [&] {
            sql().query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                "application_name LIKE 'pgeist%'");
            return sql().number(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "application_name LIKE 'pgeist%'") == 0;
        });
    }

    std::unique_ptr<gate> gate_;
};

TEST_F(reindexed, rebuilds_each_index_as_a_step_and_tells_the_sizes) {
    sql().execute("CREATE INDEX t_code ON public.t (code); UPDATE public.t SET code = code + 1000000");
    const long long before = file_of("public.t_code");
    const long long key_before = file_of("public.t_pkey");
    const run_result done = rebuild({"--repack", "--only-indexes", "--output", "json"});
    EXPECT_TRUE(exited(done, 0));
    const auto steps = done.events("step");
    ASSERT_EQ(steps.size(), 8U) << done.out;  // TOAST's, too
    EXPECT_EQ(text_of(steps[1], "state"), "done");
    EXPECT_EQ(text_of(steps[1], "method"), "reindex");
    EXPECT_TRUE(number_of(steps[1], "bytes_before") && number_of(steps[1], "bytes_after")) << done.out;
    EXPECT_EQ(text_of(done.events("job").front(), "strategy"), "reindex");
    EXPECT_NE(file_of("public.t_code"), before);
    EXPECT_NE(file_of("public.t_pkey"), key_before);
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, takes_the_named_ones_alone) {
    sql().execute("CREATE INDEX \"T Code\" ON public.t (code)");
    const long long untouched = file_of("public.t_note");
    const long long before = file_of("public.\"T Code\"");
    EXPECT_TRUE(exited(rebuild({"--index", "\"T Code\""}), 0));
    EXPECT_NE(file_of("public.\"T Code\""), before);
    EXPECT_EQ(file_of("public.t_note"), untouched);
    const run_result wrong = rebuild({"--index", "missing"});
    EXPECT_TRUE(exited(wrong, 3));
    EXPECT_TRUE(says(wrong, {"public.t has no index missing", "t_note"}));
    EXPECT_TRUE(exited(command("run", {"--index", "t_note"}), 2)) << "without --table";
    EXPECT_TRUE(exited(rebuild({"--index", "t_note", "--alter", "DROP COLUMN note"}), 2));
}

TEST_F(reindexed, plan_names_the_steps_and_what_is_left_out) {
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT t_alone EXCLUDE USING btree (code WITH =)");
    const std::string before = indexes();
    const run_result planned = command("plan", {"--table", "t", "--only-indexes", "--output", "json"});
    ASSERT_TRUE(exited(planned, 0));
    const boost::json::object plan = planned.events().front();
    EXPECT_EQ(text_of(plan, "strategy"), "reindex");
    const auto& steps = plan.at("steps").as_array();
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(text_of(steps[0].as_object(), "method"), "reindex");
    EXPECT_TRUE(says(planned, {"t_alone", "exclusion constraint"}));
    EXPECT_EQ(indexes(), before);
    const long long file = file_of("public.t_alone");
    const run_result done = rebuild({"--only-indexes"});
    EXPECT_TRUE(exited(done, 0));
    EXPECT_TRUE(says(done, {"public.t_alone is left as it is"}));
    EXPECT_EQ(file_of("public.t_alone"), file);
}

TEST_F(reindexed, takes_the_indexes_of_partitions_and_of_toast) {
    sql().execute(
        "CREATE TABLE public.p (id int, at int, body text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); "
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10); "
        "CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (10) TO (20); "
        "INSERT INTO public.p SELECT i, i % 20, repeat('x', i) FROM generate_series(1, 100) AS i");
    const std::string files =
        "SELECT string_agg(pg_relation_filenode(indexrelid)::text, ',' ORDER BY indexrelid::regclass::text) FROM "
        "pg_index WHERE indrelid IN ('public.p1'::regclass, 'public.p2'::regclass, (SELECT reltoastrelid FROM pg_class "
        "WHERE oid = 'public.p1'::regclass))";
    const std::string before = sql().scalar(files);
    EXPECT_TRUE(exited(command("run", {"--table", "p", "--only-indexes"}), 0));
    const std::string after = sql().scalar(files);
    EXPECT_EQ(std::count(after.begin(), after.end(), ','), 2);
    EXPECT_NE(after, before);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.p_pkey'::regclass"), 2)
        << "they are parts of the partitioned index as before";
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

TEST_F(reindexed, names_an_old_snapshot_and_waits_for_it_before_it_begins) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    auto running = begin();
    running.wait_for_event("the snapshot's holder", [&](const boost::json::object& event) {
        return text_of(event, "event") == "lock_wait" && !event.at("blockers").as_array().empty() &&
               number_of(event.at("blockers").as_array().front().as_object(), "pid") == reader.backend_pid();
    });
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, gives_up_on_a_snapshot_after_swap_max_wait) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    const run_result gave_up = rebuild({"--index", "t_note", "--swap-max-wait", "300ms"});
    EXPECT_TRUE(exited(gave_up, 4));
    EXPECT_TRUE(says(gave_up, {std::to_string(reader.backend_pid()), "pgeist resume"}));
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, tells_the_servers_figures) {
    gate_->close();
    auto running = begin();
    gate_->wait_until_reached();
    running.wait_for_event("the server's figures", [&](const boost::json::object& event) {
        return text_of(event, "event") == "progress" &&
               text_of(event, "server_phase").find("building index") != std::string::npos &&
               event.contains("percent") && !event.at("percent").is_null();
    });
    wait_for("the figures in the status",
             [&] { return text_of(only_job(db().uri()), "server_phase").find("building index") != std::string::npos; });
    gate_->open();
    EXPECT_TRUE(exited(running.finish(), 0));
}

TEST_F(reindexed, tells_them_of_the_copys_own_builds_too) {
    gate_->close();
    auto running = begin({"--repack"});
    gate_->wait_until_reached();
    running.wait_for_event("the server's figures", [&](const boost::json::object& event) {
        const bool builds = text_of(event, "phase") == "key" || text_of(event, "phase") == "build";
        return text_of(event, "event") == "progress" && builds &&
               text_of(event, "server_phase").starts_with("building index") && !event.at("percent").is_null();
    });
    gate_->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, is_cancelled_while_the_server_builds_and_leaves_nothing) {
    const std::string before = indexes();
    gate_->close();
    auto running = begin();
    gate_->wait_until_reached();
    EXPECT_TRUE(exited(command("cancel", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 6));
    EXPECT_EQ(indexes(), before);
    gate_->open();
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, is_paused_between_two_indexes) {
    sql().execute("CREATE INDEX t_second ON public.t (code)");
    const long long second = file_of("public.t_second");
    gate_->close();
    auto running = begin({"--index", "t_note", "--index", "t_second"});
    gate_->wait_until_reached();
    EXPECT_TRUE(exited(command("pause", {"1"}), 0));
    gate_->open();
    running.wait_for_event("the first step's end", [&](const boost::json::object& event) {
        return text_of(event, "event") == "step" && text_of(event, "state") == "done";
    });
    wait_for_job_state(db().uri(), "paused");
    EXPECT_EQ(file_of("public.t_second"), second);
    EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_NE(file_of("public.t_second"), second);
}

TEST_F(reindexed, gives_way_to_a_transaction_that_would_wait_for_it_in_a_circle) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; INSERT INTO public.t VALUES (1000, 'before', 1, 1000)");
    auto running = begin();
    wait_for_server_phase("waiting for writers before build");
    writer.execute("ALTER TABLE public.t ADD COLUMN added int");  // throws if it is cancelled by a deadlock
    writer.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(reindexed, goes_on_after_the_index_that_was_done) {
    sql().execute("CREATE INDEX t_first ON public.t (code)");
    gate_->close();
    auto running = begin({"--index", "t_first", "--index", "t_note"});
    gate_->wait_until_reached();
    const long long first = file_of("public.t_first");
    running.kill_hard();
    gate_->open();
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    EXPECT_EQ(file_of("public.t_first"), first) << "that is done is not done again";
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

TEST_F(reindexed, goes_on_by_itself_when_its_session_is_ended) {
    const std::string before = indexes("t_note");
    gate_->close();
    auto running = begin();
    gate_->wait_until_reached();
    sql().query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()");
    wait_for("the build to be begun anew", [&] {
        return gate_->waiting() == 1 &&
               sql().number("SELECT count(*) FROM pg_class WHERE relname LIKE 't_note_ccnew%'") == 1;
    });
    gate_->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(indexes("t_note"), before);
}

TEST_F(reindexed, checks_with_amcheck_where_it_is_installed) {
    const bool available = sql().number("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'") == 1;
    sql().execute("CREATE SCHEMA checks");
    if (available) {
        sql().execute("CREATE EXTENSION amcheck SCHEMA checks");
    } else {  // servers without contrib: what calls it is the same
        sql().execute("CREATE FUNCTION checks.bt_index_check(regclass, boolean) RETURNS void LANGUAGE sql AS ''");
    }
    EXPECT_TRUE(exited(rebuild({"--index", "t_note"}), 0));
    EXPECT_TRUE(exited(rebuild({"--index", "t_note", "--verify", "off"}), 0));
    if (available) {
        // The same name and signature, so that what it says is ours to choose.
        sql().execute(
            "ALTER EXTENSION amcheck DROP FUNCTION checks.bt_index_check(regclass, boolean); "
            "CREATE OR REPLACE FUNCTION checks.bt_index_check(index regclass, heapallindexed boolean) RETURNS void "
            "LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row has no entry' USING ERRCODE = 'XX002'; END $$");
        const run_result damaged = rebuild({"--index", "t_note"});
        EXPECT_TRUE(exited(damaged, 5));
        EXPECT_TRUE(says(damaged, {"t_note", "a row has no entry"}));
    }
}

/// Where the server waits, or works, when the program is killed.
struct interruption {
    const char* name;
    const char* phase;
};

void PrintTo(const interruption& value, std::ostream* out) { *out << value.name; }

class reindex_killed : public reindexed, public ::testing::WithParamInterface<interruption> {
protected:
    void SetUp() override {
        reindexed::SetUp();
        if (IsSkipped()) {
            return;
        }
        // What looks like ours: one that is in use, and one that somebody has failed to build.
        sql().execute("CREATE INDEX t_note_ccnew ON public.t (amount); UPDATE public.t SET amount = 1 WHERE id < 3");
        EXPECT_EQ(sql().sqlstate_of("CREATE UNIQUE INDEX CONCURRENTLY t_note_ccnew1 ON public.t (amount)"), "23505");
        EXPECT_EQ(sql().sqlstate_of("CREATE UNIQUE INDEX CONCURRENTLY t_note_ccold ON public.t (amount)"), "23505");
        before_ = indexes("t_note");
    }

    /// Brings the rebuild to the phase, and keeps it there.
    void hold(sync_connection& one, sync_connection& other) {
        const std::string phase = GetParam().phase;
        if (phase == "waiting for writers before build") {
            one.execute("BEGIN; INSERT INTO public.t VALUES (1000, 'x', 5, 1000)");
            running_.reset(new pgeist_process(begin()));
        } else {
            gate_->close();
            running_.reset(new pgeist_process(begin()));
            gate_->wait_until_reached();
            if (phase == "waiting for writers before validation") {
                one.execute("BEGIN; INSERT INTO public.t VALUES (1000, 'x', 5, 1000)");
            } else if (phase == "waiting for old snapshots") {
                one.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
            } else if (phase.starts_with("waiting for readers")) {
                one.execute("BEGIN; SELECT count(*) FROM public.t WHERE id = 3");
            }
            if (phase != "building index") {
                gate_->open();
            }
            if (phase == "waiting for readers before dropping") {
                wait_for_server_phase("waiting for readers before marking dead");
                other.execute("BEGIN; SELECT count(*) FROM public.t WHERE id = 3");
                one.execute("COMMIT");
            }
        }
        wait_for_server_phase(phase);
    }

    void kill_there() {
        sync_connection one = db().connect();
        sync_connection other = db().connect();
        hold(one, other);
        running_->kill_hard();
        end_sessions();
        EXPECT_NE(indexes("t_note"), before_) << "something is left";
        gate_->open();
    }  // who held it is gone

    std::string before_;
    std::unique_ptr<pgeist_process> running_;
};

TEST_P(reindex_killed, goes_on_and_drops_what_is_its_own) {
    kill_there();
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    EXPECT_EQ(indexes("t_note"), before_);
}

TEST_P(reindex_killed, is_cleaned_up_with_what_is_its_own) {
    kill_there();
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    EXPECT_EQ(indexes("t_note"), before_);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist%'"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    phases, reindex_killed,
    ::testing::Values(interruption{"writers_before_build", "waiting for writers before build"},
                      interruption{"building", "building index"},
                      interruption{"writers_before_validation", "waiting for writers before validation"},
                      interruption{"old_snapshots", "waiting for old snapshots"},
                      interruption{"readers_before_marking_dead", "waiting for readers before marking dead"},
                      interruption{"readers_before_dropping", "waiting for readers before dropping"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
