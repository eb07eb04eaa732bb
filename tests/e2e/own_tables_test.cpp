// The tables of a job are nobody else's, but a dump of the whole database comes to them too: the run waits for it, says
// so, and goes on.

#include <gtest/gtest.h>

#include <string>

#include "e2e/gated_run.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class own_tables : public gated_run {
protected:
    /// A session that has come to the shadow while the copy stands, as a dump would.
    sync_connection dump_the_shadow() {
        sync_connection dump = db().connect();
        dump.execute("SET application_name = 'nightly dump'; BEGIN; SELECT FROM pgeist_1.t LIMIT 1");
        return dump;
    }

    void wait_until_told() {
        process->wait_for_event("who is in the way", [](const auto& event) {
            return text_of(event, "text").find("nightly dump") != std::string::npos ||
                   text_of(event, "message").find("nightly dump") != std::string::npos;
        });
    }
};

TEST_F(own_tables, that_somebody_holds_are_waited_for_and_he_is_named) {
    at_row->close();
    start_run();
    at_row->wait_until_reached();
    sync_connection dump = dump_the_shadow();
    at_row->open();
    wait_until_told();
    sql().execute("UPDATE public.t SET code = -1 WHERE id = 7");
    dump.execute("COMMIT");
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT code FROM public.t WHERE id = 7"), -1);
    expect_cleanup_leaves_nothing();
}

TEST_F(own_tables, are_not_waited_for_for_ever) {
    at_row->close();
    start_run({"--swap-max-wait", "1s"});
    at_row->wait_until_reached();
    sync_connection dump = dump_the_shadow();
    at_row->open();
    const run_result result = process->finish();
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"schema pgeist_1", "nightly dump", "resume"}));
    dump.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {"1", "--swap-max-wait", "30s"}), 0));
    expect_cleanup_leaves_nothing();
}

// The copy begins anew, for which the shadow is emptied.
TEST_F(own_tables, that_somebody_holds_are_waited_for_when_the_copy_starts_again) {
    at_row->close();
    start_run();
    at_row->wait_until_reached();
    sync_connection dump = dump_the_shadow();
    at_row->open();
    sql().execute("TRUNCATE public.t; INSERT INTO public.t SELECT i, 'anew', 0, 0 FROM generate_series(1, 10) AS i");
    wait_until_told();
    dump.execute("COMMIT");
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE note = 'anew'"), 10);
    expect_cleanup_leaves_nothing();
}

class state_tables : public run_test {};

// So does autovacuum, which has much to analyze when a job ends.
TEST_F(state_tables, go_with_the_last_job_though_somebody_looks_at_them) {
    make_table(10);
    ASSERT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT FROM pgeist.jobs");
    pgeist_process cleanup(db().uri(), {"cleanup", "--all"});
    wait_for("the clean-up in the queue", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE relation = 'pgeist.jobs'::regclass AND NOT granted") ==
               1;
    });
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(cleanup.finish(), 0));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
