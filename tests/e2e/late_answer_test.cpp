// A statement that is answered too late is given up, and nothing else: whoever gave it up can still be stopped.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

class late_answer : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            copying = std::make_unique<gate>(db(), 1);
            beating = std::make_unique<gate>(db(), 2);
        }
    }

    void TearDown() override {
        running.reset();
        copying.reset();
        beating.reset();
        run_test::TearDown();
    }

    /// Stops the copy, lets the run's beats go unanswered, and waits until it gives one of them up, after 30 s.
    void give_up_a_beat() {
        copying->close();
        running = std::make_unique<pgeist_process>(
            db().uri(), std::vector<std::string>{
                            "run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint",
                            "--set", "note = " + copying->expression("id = 550", "note"), "--chunk-rows", "100"});
        copying->wait_until_reached();
        beating->close();
        sql().execute(
            "CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM " +
            beating->expression("true", "1") +
            "; RETURN NEW; END $$; CREATE TRIGGER slowly BEFORE UPDATE ON pgeist.jobs FOR EACH ROW EXECUTE FUNCTION "
            "public.slowly()");
        beating->wait_until_reached();
        const std::string given_up = waiting_since();
        wait_for(
            "the next beat", [&] { return beating->waiting() > 0 && waiting_since() != given_up; }, 75s);
        EXPECT_TRUE(running->process().running());
    }

    /// When the statement before the gate began, none now: empty.
    std::string waiting_since() {
        return sql().scalar(
            "SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE datname = current_database() AND "
            "query LIKE 'UPDATE pgeist.jobs SET rows_done%' AND wait_event = 'advisory'");
    }

    std::unique_ptr<gate> copying;
    std::unique_ptr<gate> beating;
    std::unique_ptr<pgeist_process> running;
};

TEST_F(late_answer, of_a_beat_the_run_ends_all_the_same) {
    give_up_a_beat();
    beating->open();
    copying->open();
    EXPECT_TRUE(exited(running->finish(60s), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
}

}  // namespace
}  // namespace pgeist::test
