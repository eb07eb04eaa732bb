// Changes without a copy, killed at named points.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/method_steps.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;
namespace json = boost::json;

/// The message at which the program is killed: before it arrives (held), or when its answer is on the way.
struct step_kill_point {
    const char* name;
    const char* after;
    const char* text;
    fate what;
};

// GoogleTest finds it by this name.
void PrintTo(const step_kill_point& value, std::ostream* out) {
    *out << value.name;
}  // NOLINT(readability-identifier-naming)

/// Three steps: in the catalogs, by validation, by an index.
class step_kill_points : public method_steps, public ::testing::WithParamInterface<step_kill_point> {
protected:
    static constexpr const char* alter =
        "ADD COLUMN extra int DEFAULT 1, ADD CONSTRAINT \"Positive\" CHECK (code > 0), ADD CONSTRAINT once UNIQUE "
        "(code)";

    void kill_there() {
        grow();
        proxy_ = std::make_unique<tcp_proxy>(db().address());
        const step_kill_point& point = GetParam();
        proxy_->lay({point.after, point.text, point.what});
        strings arguments = in_place(alter);
        arguments.insert(arguments.begin(), "run");
        pgeist_process running(proxy_->through(db().address()).uri(), arguments);
        proxy_->wait_for_ambush();
        running.kill_hard();
        proxy_->drop_all();
        wait_for_end_of_sessions();
        proxy_.reset();
    }

    void expect_all_once() {
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE extra = 1"), 20000);
        EXPECT_EQ(constraints("convalidated AND contype = 'c'"), 1);
        EXPECT_EQ(constraints("contype = 'u'"), 1);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'public.t'::regclass"), 2);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
    }

private:
    std::unique_ptr<tcp_proxy> proxy_;
};

TEST_P(step_kill_points, are_survived) {
    kill_there();
    const json::object job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "interrupted");
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    expect_all_once();
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    expect_cleanup_leaves_nothing();
    expect_all_once();
}

TEST_P(step_kill_points, are_cleaned_up) {
    kill_there();
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(constraints("NOT convalidated"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    named, step_kill_points,
    ::testing::Values(
        step_kill_point{"before_the_first_statement", "", "check_function_bodies TO DEFAULT; SELECT", fate::held},
        step_kill_point{"before_its_commit", "check_function_bodies TO DEFAULT; SELECT", "COMMIT", fate::held},
        step_kill_point{"after_its_commit", "check_function_bodies TO DEFAULT; SELECT", "COMMIT", fate::answer_lost},
        step_kill_point{"before_not_valid_is_committed", "xmin = pg_current_xact_id()::xid AND conparentid", "COMMIT",
                        fate::held},
        step_kill_point{"after_not_valid_is_committed", "xmin = pg_current_xact_id()::xid AND conparentid", "COMMIT",
                        fate::answer_lost},
        step_kill_point{"before_it_validates", "", "VALIDATE CONSTRAINT \"Positive\"", fate::held},
        step_kill_point{"before_validation_is_committed", "VALIDATE CONSTRAINT \"Positive\"", "COMMIT", fate::held},
        step_kill_point{"after_validation_is_committed", "VALIDATE CONSTRAINT \"Positive\"", "COMMIT",
                        fate::answer_lost},
        step_kill_point{"before_the_index", "", "CREATE UNIQUE INDEX CONCURRENTLY \"once\"", fate::held},
        step_kill_point{"after_the_index", "", "CREATE UNIQUE INDEX CONCURRENTLY \"once\"", fate::answer_lost},
        step_kill_point{"before_the_constraint", "", "\"once\" UNIQUE USING INDEX", fate::held},
        step_kill_point{"after_the_constraint", "\"once\" UNIQUE USING INDEX", "COMMIT", fate::answer_lost}),
    [](const auto& one) { return std::string(one.param.name); });

/// A rewrite that turns out to take too long is handed over to a copy: killed on either side of the two commits that do
/// it, the step's new way and the copy's job in the place of the job of steps.
class handed_over : public method_steps, public ::testing::WithParamInterface<step_kill_point> {};

TEST_P(handed_over, to_a_copy_it_is_done_once) {
    make_slow_function(2);
    const step_kill_point& point = GetParam();
    tcp_proxy proxy(db().address());
    proxy.lay({point.after, point.text, point.what});
    pgeist_process running(proxy.through(db().address()).uri(),
                           {"run", "--output", "json", "--table", "t", "--method", "auto", "--max-block", "300ms",
                            "--drop-old", "--alter", "ALTER COLUMN code TYPE bigint USING public.slow(code)"});
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    EXPECT_EQ(type_of("code"), "integer");
    const json::object job = only_job(db().uri());
    EXPECT_TRUE(is_true(job, "resumable")) << text_of(job, "state");
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = id * 10"), 500);
    EXPECT_EQ(text_of(only_job(db().uri()), "strategy"), "shadow");
    expect_cleanup_leaves_nothing();
}

INSTANTIATE_TEST_SUITE_P(
    named, handed_over,
    ::testing::Values(
        step_kill_point{"before_the_step_is_another", "UPDATE pgeist.steps SET method", "COMMIT", fate::held},
        step_kill_point{"after_the_step_is_another", "UPDATE pgeist.steps SET method", "COMMIT", fate::answer_lost},
        step_kill_point{"before_the_job_is_a_copy", "DELETE FROM pgeist.jobs WHERE id", "COMMIT", fate::held},
        step_kill_point{"after_the_job_is_a_copy", "DELETE FROM pgeist.jobs WHERE id", "COMMIT", fate::answer_lost}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
