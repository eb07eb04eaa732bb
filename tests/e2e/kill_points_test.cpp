// kill -9 at named points of the phases that are too short to be met by chance: prepare, capture, key, finish. Then
// resume, or cleanup, with every row compared and nothing left.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

enum class left_with { nothing, a_job, the_new_table };

/// What is said of the swap before its COMMIT; statements of before that are tried when the run is prepared, too.
constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";

/// The message at which the program is killed: before it arrives (held), or when its answer is on the way.
struct kill_point {
    const char* name;
    const char* after;
    const char* text;
    fate what;
    left_with leaves;
    const char* phase;
};

void PrintTo(const kill_point& value, std::ostream* out) { *out << value.name; }

class kill_points : public run_test, public ::testing::WithParamInterface<kill_point> {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute(
                "ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code); "
                "CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent SELECT generate_series(-1, "
                "50000); ALTER TABLE public.t ADD CONSTRAINT known FOREIGN KEY (id) REFERENCES public.parent");
            proxy = std::make_unique<tcp_proxy>(db().address());
        }
    }

    void TearDown() override {
        proxy.reset();
        run_test::TearDown();
    }

    void kill_there() {
        const kill_point& point = GetParam();
        proxy->lay({point.after, point.text, point.what});
        pgeist_process running(proxy->through(db().address()).uri(),
                               {"run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint",
                                "--chunk-rows", "100"});
        proxy->wait_for_ambush();
        running.kill_hard();
        proxy->drop_all();  // as the kernel of a dead host's peer would, in a while
        wait_for_end_of_sessions();
    }

    /// Writes of all kinds, while nobody runs.
    void write_meanwhile() {
        sql().execute(
            "UPDATE public.t SET note = NULL WHERE id IN (20, 980); DELETE FROM public.t WHERE id IN (30, 970); "
            "INSERT INTO public.t VALUES (40000, 'meanwhile', 1, 40000); UPDATE public.t SET id = -1 WHERE id = 40; "
            "CREATE TABLE public.expected AS TABLE public.t");
    }

    void expect_new_table() {
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND conname = "
                               "'known' AND convalidated"),
                  1);
    }

    [[nodiscard]] static std::string phase_of_interruption() { return GetParam().phase; }

    std::unique_ptr<tcp_proxy> proxy;
};

TEST_P(kill_points, are_survived) {
    kill_there();
    write_meanwhile();
    if (GetParam().leaves == left_with::nothing) {
        expect_nothing_left();
        EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    } else {
        const boost::json::object job = only_job(db().uri());
        EXPECT_EQ(text_of(job, "state"), "interrupted");
        EXPECT_EQ(text_of(job, "phase"), phase_of_interruption());
        EXPECT_EQ(type_of("id"), GetParam().leaves == left_with::the_new_table ? "bigint" : "integer");
        EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    }
    expect_new_table();
    expect_cleanup_leaves_nothing();
    expect_new_table();
}

TEST_P(kill_points, are_cleaned_up) {
    kill_there();
    write_meanwhile();
    expect_cleanup_leaves_nothing();
    if (GetParam().leaves == left_with::the_new_table) {
        expect_new_table();
    } else {
        EXPECT_EQ(type_of("id"), "integer");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
        expect_new_table();
    }
}

INSTANTIATE_TEST_SUITE_P(
    named, kill_points,
    ::testing::Values(
        kill_point{"prepare_before_the_job", "", "INSERT INTO pgeist.jobs", fate::held, left_with::nothing, ""},
        kill_point{"prepare_before_its_commit", "SET blueprint", "COMMIT", fate::held, left_with::nothing, ""},
        kill_point{"prepare_after_its_commit", "SET blueprint", "COMMIT", fate::answer_lost, left_with::a_job,
                   "capture"},
        kill_point{"capture_under_its_lock", "", "CREATE TRIGGER", fate::held, left_with::a_job, "capture"},
        kill_point{"capture_before_its_commit", "CREATE TRIGGER", "COMMIT", fate::held, left_with::a_job, "capture"},
        kill_point{"capture_after_its_commit", "CREATE TRIGGER", "COMMIT", fate::answer_lost, left_with::a_job, "copy"},
        kill_point{"key_before_its_build", "", "'maintenance_work_mem'", fate::held, left_with::a_job, "key"},
        kill_point{"key_before_its_commit", "'maintenance_work_mem'", "COMMIT", fate::held, left_with::a_job, "key"},
        kill_point{"key_after_its_commit", "'maintenance_work_mem'", "COMMIT", fate::answer_lost, left_with::a_job,
                   "key"},
        kill_point{"finish_before_it_validates", swap_noted, "VALIDATE CONSTRAINT \"", fate::held,
                   left_with::the_new_table, "finish"},
        kill_point{"finish_after_it_validated", swap_noted, "VALIDATE CONSTRAINT \"", fate::answer_lost,
                   left_with::the_new_table, "finish"},
        kill_point{"finish_before_the_log_goes", "", "DROP FUNCTION IF EXISTS", fate::held, left_with::the_new_table,
                   "finish"},
        kill_point{"finish_after_the_log_is_gone", "DROP FUNCTION IF EXISTS", "COMMIT", fate::answer_lost,
                   left_with::the_new_table, "finish"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
