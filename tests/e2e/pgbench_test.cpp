// TPC-B under load, with foreign keys: no failed transaction, and the benchmark's own invariant holds afterwards.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

std::filesystem::path find_pgbench() {
    for (const char* place : {"/usr/bin/pgbench", "/usr/lib/postgresql/15/bin/pgbench", "/usr/local/bin/pgbench"}) {
        if (std::filesystem::exists(place)) {
            return place;
        }
    }
    return {};
}

class pgbench : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        if (find_pgbench().empty()) {
            GTEST_SKIP() << "pgbench is not installed";
        }
        child_process filling(pgbench_with({"-i", "-s", "2", "--foreign-keys", "--quiet"}));
        ASSERT_EQ(filling.wait().code, 0) << filling.err();
        sql().execute(
            "CREATE INDEX accounts_balance ON pgbench_accounts (abalance); CREATE INDEX accounts_branch ON "
            "pgbench_accounts (bid, aid)");
    }

    launch pgbench_with(std::vector<std::string> arguments) {
        arguments.push_back(db().uri());
        return {find_pgbench(), std::move(arguments), {}, std::nullopt};
    }

    /// The sums of account, teller and branch balances and of the history's deltas agree.
    void expect_balanced() {
        EXPECT_EQ(sql().number(
                      "SELECT count(DISTINCT s) FROM (SELECT sum(abalance) AS s FROM pgbench_accounts UNION ALL "
                      "SELECT sum(bbalance) FROM pgbench_branches UNION ALL SELECT sum(tbalance) FROM pgbench_tellers "
                      "UNION ALL SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS sums"),
                  1);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pgbench_accounts"), 200000);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pgbench_accounts a JOIN (SELECT aid, sum(delta) AS delta FROM "
                               "pgbench_history GROUP BY aid) h USING (aid) WHERE a.abalance <> h.delta"),
                  0);
    }

    void change_under_load(const std::string& protocol, const std::vector<std::string>& change) {
        child_process load(pgbench_with({"-n", "-c", "4", "-j", "2", "-T", "600", "-M", protocol}));
        std::vector<std::string> arguments{"--table", "pgbench_accounts", "--workers", "2", "--index-jobs", "2"};
        arguments.insert(arguments.end(), change.begin(), change.end());
        EXPECT_TRUE(exited(command("run", arguments), 0));
        EXPECT_TRUE(load.running()) << "the load ended before the swap; the test shows nothing";
        load.signal(SIGALRM);  // what ends the time of -T
        EXPECT_EQ(load.wait().code, 0) << load.err();
        EXPECT_NE(load.out().find("number of failed transactions: 0 (0.000%)"), std::string::npos) << load.out();
        EXPECT_EQ(load.err().find("ERROR"), std::string::npos) << load.err();
        EXPECT_EQ(load.err().find("aborted"), std::string::npos) << load.err();
        EXPECT_GT(sql().number("SELECT count(*) FROM pgbench_history"), 100);
        expect_balanced();
    }
};

TEST_F(pgbench, int_to_bigint_of_the_accounts) {
    change_under_load("simple", {"--alter", "ALTER COLUMN aid TYPE bigint"});
    EXPECT_EQ(type_of("aid", "pgbench_accounts"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND (conrelid = "
                           "'pgbench_accounts'::regclass OR confrelid = 'pgbench_accounts'::regclass)"),
              2);
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'pgbench_accounts'::regclass AND indisvalid"), 3);
    expect_cleanup_leaves_nothing();
}

TEST_F(pgbench, repack_with_prepared_statements) { change_under_load("prepared", {"--repack"}); }

}  // namespace
}  // namespace pgeist::test
