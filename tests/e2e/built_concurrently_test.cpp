// An index built CONCURRENTLY for a constraint: among old snapshots, others' indexes and kill -9 wherever the server
// waits.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using words = std::vector<std::string>;

class built_concurrently : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(20000);  // too many for --max-block
        }
    }

    static words adding(const std::string& name, words more = {}) {
        words all{"--output", "json",        "--table", "t",       "--method",
                  "native",   "--max-block", "1ms",     "--alter", "ADD CONSTRAINT " + name + " UNIQUE (code)"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    std::unique_ptr<pgeist_process> begin(const std::string& name = "once") {
        words arguments = adding(name);
        arguments.insert(arguments.begin(), "run");
        return std::make_unique<pgeist_process>(db().uri(), arguments);
    }

    std::string indexes() {
        return sql().scalar(
            "SELECT string_agg(relname || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END, ', ' ORDER BY relname) "
            "FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 'public.t'::regclass");
    }

    void wait_for_server_phase(const std::string& phase) {
        wait_for("the server's phase " + phase, [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() "
                       "AND phase = $1",
                       {phase}) == 1;
        });
    }

    void make_invalid(const std::string& name) {
        sql().execute("UPDATE public.t SET amount = 1 WHERE id < 3");
        EXPECT_EQ(sql().sqlstate_of("CREATE UNIQUE INDEX CONCURRENTLY " + name + " ON public.t (amount)"), "23505");
    }
};

TEST_F(built_concurrently, an_index_waits_for_an_old_snapshot_that_is_named_and_can_be_cancelled_there) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    const auto running = begin();
    running->wait_for_event("the snapshot's holder", [&](const boost::json::object& event) {
        return text_of(event, "event") == "lock_wait" &&
               number_of(event.at("blockers").as_array().at(0).as_object(), "pid") == reader.backend_pid();
    });
    EXPECT_EQ(indexes(), "t_pkey") << "it is not begun";
    EXPECT_TRUE(exited(command("cancel", {"1"}), 0));
    EXPECT_TRUE(exited(running->finish(), 6));
    EXPECT_EQ(indexes(), "t_pkey");
    expect_cleanup_leaves_nothing();
}

TEST_F(built_concurrently, an_invalid_index_of_others_under_the_name_is_refused_and_stays) {
    make_invalid("once");
    const run_result refused = command("run", adding("once"));
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"once"}));
    EXPECT_EQ(indexes(), "once (invalid), t_pkey");
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_EQ(indexes(), "once (invalid), t_pkey");
}

TEST_F(built_concurrently, whoever_would_end_in_a_deadlock_with_it_is_let_through) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; INSERT INTO public.t VALUES (100000, 'x', 5, -1)");
    const auto running = begin();
    wait_for_server_phase("waiting for writers before build");
    writer.execute("ALTER TABLE public.t ADD COLUMN added int; COMMIT");  // throws when it is cancelled
    EXPECT_TRUE(exited(running->finish(), 0));
    EXPECT_EQ(indexes(), "once, t_pkey");
}

/// Where the server waits when the program is killed.
struct server_phase {
    const char* name;
    const char* phase;
};

void PrintTo(const server_phase& value, std::ostream* out) { *out << value.name; }

class build_killed : public built_concurrently, public ::testing::WithParamInterface<server_phase> {
protected:
    /// Each wait of the server's is for those who were there when it began: so it is led from one to the next.
    void kill_there() {
        const std::string phase = GetParam().phase;
        make_invalid("onc");
        sync_connection first = db().connect();
        sync_connection second = db().connect();
        sync_connection third = db().connect();
        first.execute("BEGIN; INSERT INTO public.t VALUES (100000, 'x', 5, -1)");
        const auto running = begin();
        wait_for_server_phase("waiting for writers before build");
        if (phase != "waiting for writers before build") {
            second.execute("BEGIN; INSERT INTO public.t VALUES (100001, 'x', 6, -2)");
            first.execute("COMMIT");
            wait_for_server_phase("waiting for writers before validation");
        }
        if (phase == "waiting for old snapshots") {
            third.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
            second.execute("COMMIT");
            wait_for_server_phase(phase);
        }
        running->kill_hard();
        wait_for("the end of pgeist's sessions", [&] {
            sql().query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                "application_name LIKE 'pgeist%'");
            return sql().number(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "application_name LIKE 'pgeist%'") == 0;
        });
        EXPECT_EQ(indexes(), "onc (invalid), once (invalid), t_pkey");
    }  // who held it is gone
};

TEST_P(build_killed, goes_on_with_an_index_of_its_own) {
    kill_there();
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    EXPECT_EQ(indexes(), "onc (invalid), once, t_pkey") << "others' stays";
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname = 'once' AND contype = 'u'"), 1);
}

TEST_P(build_killed, is_cleaned_up_and_leaves_what_others_made) {
    kill_there();
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    EXPECT_EQ(indexes(), "onc (invalid), t_pkey");
}

INSTANTIATE_TEST_SUITE_P(phases, build_killed,
                         ::testing::Values(server_phase{"writers_before_build", "waiting for writers before build"},
                                           server_phase{"writers_before_validation",
                                                        "waiting for writers before validation"},
                                           server_phase{"old_snapshots", "waiting for old snapshots"}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
