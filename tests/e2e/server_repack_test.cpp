// What pgeist says of the server's own REPACK (CONCURRENTLY), and of a server whose time is over.

#include <gtest/gtest.h>

#include <string>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

class server_repack : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(100);
        }
    }

    bool has_it() { return sql().server_major() >= 19; }

    run_result plan(const std::string& output) {
        return command("plan", {"--table", "t", "--repack", "--output", output});
    }
};

TEST_F(server_repack, is_printed_by_the_plan_of_a_repack_where_there_is_one) {
    const run_result people = plan("human");
    EXPECT_TRUE(exited(people, 0));
    EXPECT_EQ(people.out.find("REPACK (CONCURRENTLY) public.t;") != std::string::npos, has_it()) << people.out;
    const run_result other = command("plan", {"--table", "t", "--alter", "ADD COLUMN more int"});
    EXPECT_EQ(other.out.find("REPACK"), std::string::npos) << other.out;
}

TEST_F(server_repack, is_judged_by_snapshots_and_refusals) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("SET application_name = 'nightly report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    const run_result held = plan("json");
    EXPECT_TRUE(says(held, {R"("statement":"REPACK (CONCURRENTLY) public.t","refusals":[])", "nightly report"}));
    reader.execute("COMMIT");
    sql().execute("ALTER TABLE public.t REPLICA IDENTITY FULL");
    const run_result refused = plan("json");
    EXPECT_TRUE(says(refused, {R"("refusals":["its replica identity is FULL"])", R"("old_snapshots":[])"}));
    EXPECT_NE(sql().sqlstate_of("REPACK (CONCURRENTLY) public.t"), "") << "the server refuses it too";
}

TEST_F(server_repack, is_listed_with_the_candidates) {
    sql().execute("ANALYZE public.t");
    const run_result listed = command("repack-candidates", {"--min-bloat", "0", "--min-size", "0"});
    EXPECT_TRUE(exited(listed, 0));
    EXPECT_EQ(listed.out.find("  REPACK (CONCURRENTLY) public.t;") != std::string::npos, has_it()) << listed.out;
}

TEST_F(server_repack, and_a_version_whose_time_is_over_is_named) {
    const run_result planned = plan("human");
    EXPECT_EQ(planned.out.find("its time is over") != std::string::npos, sql().server_major() == 14) << planned.out;
}

}  // namespace
}  // namespace pgeist::test
