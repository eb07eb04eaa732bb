// kill -9 at named points of a revertible swap, of its window and of the swap back; and the connection cut at the
// COMMIT of the swap back. `pgeist revert`, given again, goes on; one whose swap back is done is finished by resume.
// Every row is compared, with what was written while nobody ran.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <ostream>

#include "e2e/revert/revert_fixture.hpp"
#include "support/json_lines.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";
constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

/// The message at which the program is killed: before it arrives (held), or when its answer is on the way.
struct revert_point {
    const char* name;
    const char* after;
    const char* text;
    fate what;
    bool swapped;            ///< the tables have changed places by then
    bool in_window = false;  ///< the way back is open by then: resume goes on keeping it in step
};

void PrintTo(const revert_point& value, std::ostream* out) { *out << value.name; }

class revert_kill : public revert_test, public ::testing::WithParamInterface<revert_point> {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute(
                "ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code); CREATE TABLE public.parent (id int "
                "PRIMARY "
                "KEY); INSERT INTO public.parent SELECT generate_series(-1, 50000); ALTER TABLE public.t ADD "
                "CONSTRAINT "
                "known FOREIGN KEY (id) REFERENCES public.parent");
            definition_ = definition();
            proxy = std::make_unique<tcp_proxy>(db().address());
        }
    }

    void TearDown() override {
        proxy.reset();
        run_test::TearDown();
    }

    void kill_there(std::vector<std::string> arguments) {
        const revert_point& point = GetParam();
        proxy->lay({point.after, point.text, point.what});
        arguments.insert(arguments.end(), {"--output", "json"});
        pgeist_process running(proxy->through(db().address()).uri(), std::move(arguments));
        proxy->wait_for_ambush();
        running.kill_hard();
        proxy->drop_all();  // as the kernel of a dead host's peer would, in a while
        wait_for_end_of_sessions();
    }

    void write_something(int number) {
        const std::string n = std::to_string(number);
        sql().execute("UPDATE public.t SET note = 'written " + n + "' WHERE id IN (2" + n + ", 98" + n +
                      "); DELETE FROM public.t WHERE id = 30" + n + "; INSERT INTO public.t VALUES (4000" + n +
                      ", 'meanwhile', 1, 9000" + n + "); UPDATE public.t SET id = 3000" + n + " WHERE id = 40" + n +
                      "; DROP TABLE IF EXISTS public.expected; CREATE TABLE public.expected AS TABLE public.t");
    }

    void expect_rows(const std::string& type) {
        EXPECT_EQ(type_of("id"), type);
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND conname = "
                               "'known' AND convalidated"),
                  1);
    }

    void expect_old_definition() {
        EXPECT_EQ(description_difference(definition_, definition()), std::vector<std::string>{});
    }

    std::unique_ptr<tcp_proxy> proxy;

private:
    std::vector<std::string> definition_;
};

class revertible_swap_killed : public revert_kill {};

TEST_P(revertible_swap_killed, can_be_resumed_and_reverted) {
    kill_there({"run", "--table", "t", "--revertible", "--alter", widen, "--chunk-rows", "100"});
    write_something(1);
    std::optional<pgeist_process> kept;
    if (GetParam().in_window) {
        kept.emplace(db().uri(), std::vector<std::string>{"resume", "1", "--output", "json"});
        kept->wait_for_phase("window");
    } else {
        EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    }
    expect_rows("bigint");
    EXPECT_EQ(told("revertible"), "true");
    write_something(2);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_TRUE(!kept || exited(kept->finish(), 0));
    expect_rows("integer");
    expect_old_definition();
}

TEST_P(revertible_swap_killed, can_be_cleaned_up) {
    kill_there({"run", "--table", "t", "--revertible", "--alter", widen, "--chunk-rows", "100"});
    write_something(1);
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_rows(GetParam().swapped ? "bigint" : "integer");
    sql().execute("DROP TABLE public.expected");
    expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(
    named, revertible_swap_killed,
    ::testing::Values(
        revert_point{"before_the_swap_is_noted", "ENABLE ALWAYS TRIGGER pgeist_1_back", swap_noted, fate::held, false},
        revert_point{"before_its_commit", swap_noted, "COMMIT", fate::held, false},
        revert_point{"after_its_commit", swap_noted, "COMMIT", fate::answer_lost, true},
        revert_point{"before_the_log_goes", "", "DROP FUNCTION IF EXISTS", fate::held, true},
        revert_point{"before_the_way_is_open", "DROP FUNCTION IF EXISTS", "SET way_back = $3", fate::held, true},
        revert_point{"when_the_way_is_open", "", "SET kind = $3", fate::answer_lost, true, true}),
    [](const auto& one) { return std::string(one.param.name); });

class swap_back_killed : public revert_kill {};

TEST_P(swap_back_killed, goes_on_when_it_is_given_again) {
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    write_something(1);
    kill_there({"revert", "1"});
    EXPECT_EQ(type_of("id"), GetParam().swapped ? "integer" : "bigint");
    write_something(2);
    EXPECT_TRUE(exited(revert(), 0));
    expect_rows("integer");
    expect_old_definition();
    EXPECT_EQ(told("state"), "reverted");
    write_something(3);
    ASSERT_TRUE(exited(revert(), 0));
    expect_rows("bigint");
}

TEST_P(swap_back_killed, is_finished_by_resume_or_rests) {
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    write_something(1);
    kill_there({"revert", "1"});
    write_something(2);
    if (GetParam().swapped) {
        EXPECT_TRUE(exited(command("resume", {"1"}), 0));
        expect_rows("integer");
        expect_old_definition();
        EXPECT_EQ(told("state"), "reverted");
    } else {
        pgeist_process kept(db().uri(), {"resume", "1", "--output", "json"});
        kept.wait_for_phase("window");
        EXPECT_TRUE(exited(revert(), 0));
        EXPECT_TRUE(exited(kept.finish(), 0));
        expect_rows("integer");
    }
}

TEST_P(swap_back_killed, is_cleaned_up) {
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    write_something(1);
    kill_there({"revert", "1"});
    write_something(2);
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_rows(GetParam().swapped ? "integer" : "bigint");
    sql().execute("DROP TABLE public.expected");
    expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(
    named, swap_back_killed,
    ::testing::Values(revert_point{"while_it_plans", "", "DROP SCHEMA IF EXISTS \"pgeist_1_again\"", fate::held, false},
                      revert_point{"when_it_is_planned", "\"next\"", "COMMIT", fate::answer_lost, false},
                      revert_point{"before_the_swap_is_noted", "", swap_noted, fate::held, false},
                      revert_point{"before_its_commit", swap_noted, "COMMIT", fate::held, false},
                      revert_point{"after_its_commit", swap_noted, "COMMIT", fate::answer_lost, true},
                      revert_point{"before_it_validates", swap_noted, "VALIDATE CONSTRAINT \"", fate::held, true},
                      revert_point{"before_the_log_goes", "", "DROP SCHEMA IF EXISTS \"pgeist_1_back\"", fate::held,
                                   true}),
    [](const auto& one) { return std::string(one.param.name); });

class swap_back_in_doubt : public revert_test {
protected:
    void cut_at_commit(fate what) {
        make_table(500);
        ASSERT_TRUE(exited(run_revertible(widen), 0));
        sql().execute("UPDATE t SET note = 'since' WHERE id = 3");
        tcp_proxy proxy(db().address());
        proxy.lay({swap_noted, "COMMIT", what});
        pgeist_process running(proxy.through(db().address()).uri(), {"revert", "1", "--output", "json"});
        const run_result result = running.finish();
        EXPECT_TRUE(exited(result, 0));
        EXPECT_TRUE(proxy.sprung());
        EXPECT_EQ(result.events("reverted").size(), 1U) << "told of once";
        EXPECT_EQ(type_of("id"), "integer");
        EXPECT_EQ(note_of(3), "since");
        EXPECT_EQ(told("state"), "reverted");
    }
};

TEST_F(swap_back_in_doubt, answer_lost_at_its_commit) { cut_at_commit(fate::answer_lost); }

TEST_F(swap_back_in_doubt, request_lost_at_its_commit) { cut_at_commit(fate::request_lost); }

class window_killed : public revert_test {};

TEST_F(window_killed, loses_nothing) {
    make_table(500);
    const auto window = start_window(widen);
    window->kill_hard();
    sql().execute("UPDATE t SET note = 'since' WHERE id = 3; INSERT INTO t VALUES (600, 'new', 1, 1)");
    EXPECT_EQ(told("state"), "done");
    EXPECT_EQ(told("revertible"), "true");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(3), "since");
    EXPECT_EQ(note_of(600), "new");
}

}  // namespace
}  // namespace pgeist::test
