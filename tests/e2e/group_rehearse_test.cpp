// pgeist rehearse of several tables that are exchanged together: one set of figures, and nothing of it is left.

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "e2e/group_test.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

class group_rehearsed : public group_test {
protected:
    void SetUp() override {
        group_test::SetUp();
        if (!IsSkipped()) {
            make_tables(40);
            rows_ = digest();
            keys_ = constraints();
        }
    }

    static std::vector<std::string> rehearsal(std::vector<std::string> more) {
        std::vector<std::string> all = arguments(std::move(more));
        all.front() = "rehearse";
        all.insert(all.end(), {"--method", "copy"});
        return all;
    }

    void expect_untouched() {
        EXPECT_EQ(types(), "text text text text text text text text text");
        EXPECT_EQ(digest(), rows_);
        EXPECT_EQ(constraints(), keys_);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist\\_%'"), 0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgeist%'"), 0);
    }

private:
    std::string rows_;
    std::vector<std::string> keys_;
};

TEST_F(group_rehearsed, tells_one_set_of_figures_for_all_tables) {
    for (const std::string how : {"none", "sample", "take"}) {
        SCOPED_TRACE(how);
        const run_result done = run_pgeist(db().uri(), rehearsal({"--locks", how}));
        EXPECT_TRUE(exited(done, 0));
        const auto told = done.events("rehearsal");
        ASSERT_EQ(told.size(), 1U);
        const auto& figures = told.front();
        EXPECT_EQ(figures.at("rows").to_number<int>(), 160) << "of all three tables";
        EXPECT_GT(figures.at("wal_bytes").to_number<double>(), 0);
        EXPECT_GT(figures.at("space_bytes").to_number<double>(), 0);
        EXPECT_GT(figures.at("predicted_lock_ms").to_number<double>(), 0);
        EXPECT_EQ(figures.at("lock_ms").is_null(), how != "take");
        EXPECT_EQ(figures.at("lock_free_percent").is_null(), how != "sample");
        const std::string tables = boost::json::serialize(figures.at("table"));
        EXPECT_NE(tables.find("person"), std::string::npos) << tables;
        EXPECT_NE(tables.find("item"), std::string::npos) << tables;
        EXPECT_TRUE(done.events("swap").empty());
        expect_untouched();
    }
    for (const auto& job : job_list(db().uri())) {
        EXPECT_EQ(job.at("state").as_string(), "done");
    }
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

TEST_F(group_rehearsed, follows_references_and_obeys_limits) {
    sql().execute(
        "CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY, a int REFERENCES "
        "public.a); INSERT INTO public.a SELECT generate_series(1, 50); INSERT INTO public.b SELECT i, i FROM "
        "generate_series(1, 50) AS i");
    const run_result done = run_pgeist(
        db().uri(), {"rehearse", "--output", "json", "--table", "a", "--alter", "ALTER COLUMN id TYPE bigint",
                     "--with-references", "--locks", "none", "--fail-if", "space > 1B"});
    EXPECT_TRUE(exited(done, 1));
    ASSERT_EQ(done.events("rehearsal").size(), 1U);
    EXPECT_EQ(done.events("rehearsal").front().at("rows").to_number<int>(), 100);
    EXPECT_EQ(type_of("a", "public.b"), "integer");
    sql().execute("DROP TABLE public.b, public.a");
    expect_untouched();
}

struct killed_at {
    const char* name;
    const char* after;
    const char* text;
};

void PrintTo(const killed_at& value, std::ostream* out) { *out << value.name; }

class group_rehearsal_killed : public group_rehearsed, public ::testing::WithParamInterface<killed_at> {};

TEST_P(group_rehearsal_killed, is_taken_back_by_cleanup) {
    tcp_proxy proxy(db().address());
    proxy.lay({GetParam().after, GetParam().text, fate::held});
    pgeist_process running(proxy.through(db().address()).uri(), rehearsal({"--locks", "take"}));
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    EXPECT_TRUE(exited(command("cleanup", {"3"}), 0));
    expect_untouched();
    expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(named, group_rehearsal_killed,
                         ::testing::Values(killed_at{"in_the_exchange", "", "swap_xid = pg_current_xact_id()"},
                                           killed_at{"between_two_that_are_taken_back", "",
                                                     "DROP TRIGGER IF EXISTS pgeist_3"}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
