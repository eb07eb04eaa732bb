#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/test_database.hpp"

// Sessions that write to the three tables, and look at all of them, while they change places.
namespace pgeist::test {

/// Runs a transaction until no serialization failure is in its way. @returns what else was; empty: nothing
inline std::string commit_once(sync_connection& sql, const std::string& transaction) {
    std::string problem;
    for (std::string state = "40001"; state == "40001";) {
        state = sql.sqlstate_of(transaction);
        if (!state.empty()) {
            sql.execute("ROLLBACK");
        }
        if (!state.empty() && state != "40001") {
            problem = state + " of " + transaction;
        }
    }
    return problem;
}

/// Looks at all tables in one snapshot that is taken before any of them is touched.
class snapshot_reader {
public:
    /// `definitions`: types of the keys, of one table after the other, as they may be at one moment.
    snapshot_reader(const test_database& db, std::string level, std::vector<std::string> definitions)
        : sql_(db.connect()), level_(std::move(level)), definitions_(std::move(definitions)) {}

    void run(const std::atomic<bool>& stop) {
        while (!stop && problem.empty()) {
            try {
                look();
                ++done;
            } catch (const sql_error& failure) {
                if (failure.sqlstate() != "40001") {
                    problem = failure.sqlstate() + std::string(": ") + failure.what();
                }
                sql_.execute("ROLLBACK");
            }
        }
    }

    std::string problem;
    int done = 0;

private:
    void look() {
        sql_.execute("BEGIN ISOLATION LEVEL " + level_ + "; SELECT 1");
        sql_.execute("SELECT pg_sleep(0.03)");  // before any lock is held: the swap may come in between
        const long long in_items = sql_.number("SELECT sum(n) FROM item");
        const std::string types = sql_.scalar(
            "SELECT (SELECT pg_typeof(id) FROM person LIMIT 1)::text || (SELECT pg_typeof(id) FROM orders LIMIT 1) || "
            "(SELECT pg_typeof(orders) FROM item LIMIT 1)");
        const long long sum = in_items + sql_.number("SELECT sum(balance) FROM person");
        const long long orphans = sql_.number(
            "SELECT (SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM person p WHERE p.id = o.person)) + "
            "(SELECT count(*) FROM item i WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = i.orders)) + "
            "(SELECT count(*) FROM person p WHERE favourite IS NOT NULL AND NOT EXISTS (SELECT FROM orders o WHERE "
            "o.id = p.favourite))");
        sql_.execute("COMMIT");
        sum_ = sum_ == 0 ? sum : sum_;
        if (sum != sum_) {
            problem = level_ + ": the sum was " + std::to_string(sum_) + " and is " + std::to_string(sum);
        } else if (orphans != 0) {
            problem = level_ + ": " + std::to_string(orphans) + " children without parents";
        } else if (std::find(definitions_.begin(), definitions_.end(), types) == definitions_.end()) {
            problem = level_ + ": two definitions at once: " + types;
        }
    }

    sync_connection sql_;
    std::string level_;
    std::vector<std::string> definitions_;
    long long sum_ = 0;
};

/// The writers, and a reader of each level that keeps its snapshot, from now until the end.
template <class Writer>
class beside_the_swap {
public:
    beside_the_swap(const test_database& db, std::vector<std::unique_ptr<Writer>> writing,
                    const std::vector<std::string>& definitions)
        : writing_(std::move(writing)) {
        for (const char* level : {"REPEATABLE READ READ ONLY", "SERIALIZABLE"}) {
            reading_.push_back(std::make_unique<snapshot_reader>(db, level, definitions));
        }
        start(writing_);
        start(reading_);
    }
    ~beside_the_swap() { stop_ = true; }
    beside_the_swap(const beside_the_swap&) = delete;
    beside_the_swap& operator=(const beside_the_swap&) = delete;

    /// Expects that all have done something, and none has seen anything wrong.
    void end_well() {
        stop_ = true;
        threads_.clear();
        expect_well(writing_);
        expect_well(reading_);
    }

private:
    template <class Session>
    void start(const std::vector<std::unique_ptr<Session>>& sessions) {
        for (const auto& each : sessions) {
            threads_.emplace_back([this, one = each.get()] { one->run(stop_); });
        }
    }
    template <class Session>
    static void expect_well(const std::vector<std::unique_ptr<Session>>& sessions) {
        for (const auto& each : sessions) {
            EXPECT_EQ(each->problem, "");
            EXPECT_GT(each->done, 0);
        }
    }

    std::atomic<bool> stop_ = false;
    std::vector<std::unique_ptr<Writer>> writing_;
    std::vector<std::unique_ptr<snapshot_reader>> reading_;
    std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace pgeist::test
