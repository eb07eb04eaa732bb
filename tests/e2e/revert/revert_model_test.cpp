// A change that loses something, there and back and there again, under writers: after each swap the table in use is
// what a model says that knows both definitions.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <iostream>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include <fmt/format.h>

#include "e2e/revert/revert_fixture.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;

/// Writers of public.t under whichever definition it has at that moment, and of public.model, which has the columns of
/// both, under what is promised: a value that nobody has changed since is what it was on that side, bit for bit; a
/// column that one side lacks keeps its value in rows that live on, also under another key, and has its default in rows
/// made while it was away, also under a reused one; a value computed from others is computed anew when one of them
/// changes.
class model_writers {
public:
    model_writers(std::string uri, std::uint64_t seed) : uri_(std::move(uri)), seed_(seed) {}

    void add(const std::string& isolation) {
        const int number = static_cast<int>(threads_.size());
        threads_.emplace_back(
            [this, isolation, number](const std::stop_token& stop) { write(stop, isolation, number); });
    }

    void wait_for_more(long long transactions) const {
        const long long wanted = committed_ + transactions;
        wait_for("more transactions of the writers", [&] { return committed_ >= wanted || failed_; });
    }

    /// While it is held nobody writes.
    [[nodiscard]] std::unique_lock<std::shared_mutex> quiet() {
        const std::lock_guard turn(turnstile_);  // else those who share it would never leave a gap
        return std::unique_lock(running_);
    }

    strings stop() {
        threads_.clear();
        std::cout << committed_ << " transactions committed" << std::endl;
        const std::lock_guard lock(mutex_);
        return failures_;
    }

private:
    static constexpr int most_writers = 4;

    void write(const std::stop_token& stop, const std::string& isolation, int number) {
        random_engine random(seed_ + static_cast<std::uint64_t>(number));
        try {
            sync_connection session(uri_);
            while (!stop.stop_requested()) {
                const std::shared_lock running = running_one();
                session.execute("BEGIN ISOLATION LEVEL " + isolation + "; LOCK TABLE t IN ROW EXCLUSIVE MODE");
                const bool changed = session.number(
                                         "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass "
                                         "AND attname = 'remark'") == 1;
                for (long long operations = pick(random, 1, 3); operations > 0; --operations) {
                    session.execute(something(session, random, changed, number));
                }
                const bool commit = chance(random, 90);
                session.execute(commit ? "COMMIT" : "ROLLBACK");
                committed_ += commit ? 1 : 0;
                std::this_thread::sleep_for(std::chrono::milliseconds(3));  // leaves the processors to pgeist
            }
        } catch (const std::exception& error) {
            const std::lock_guard lock(mutex_);
            failures_.emplace_back(error.what());
            failed_ = true;
        }
    }

    std::shared_lock<std::shared_mutex> running_one() {
        const std::lock_guard turn(turnstile_);
        return std::shared_lock(running_);
    }

    /// Each writer has rows of its own, so that table and model see the same order. So many that most rows are written
    /// once or twice a leg: what is written all the time has no old values to keep.
    static long long any_id(random_engine& random, int number) {
        return pick(random, 0, 1200) * most_writers + number + 1;
    }

    static std::string something(sync_connection& session, random_engine& random, bool changed, int number) {
        const long long id = any_id(random, number);
        const long long other = any_id(random, number);
        const auto is_there = [&](long long key) {
            return session.number("SELECT count(*) FROM t WHERE id = " + std::to_string(key)) == 1;
        };
        const std::string gone = fmt::format("DELETE FROM t WHERE id = {0}; DELETE FROM model WHERE id = {0}; ", id);
        switch (pick(random, 0, 6)) {
            case 0:
                return gone;
            case 1:
                return is_there(id) ? "" : made(random, changed, id);
            case 2:
                return is_there(id) ? gone + made(random, changed, id) : "";  // a dead row's values stay dead
            case 3:
                return is_there(other) || !is_there(id)
                           ? ""
                           : fmt::format(
                                 "UPDATE t SET id = {1} WHERE id = {0}; UPDATE model SET id = {1} WHERE id = {0}", id,
                                 other);
            case 4:  // changed and changed back within a transaction: unchanged
                return fmt::format(
                    "UPDATE t SET code = NULL WHERE id = {0}; UPDATE t SET code = m.code FROM model m "
                    "WHERE m.id = t.id AND t.id = {0}",
                    id);
            default:
                return changed ? changed_value(random, id) : value(random, id);
        }
    }

    /// A new row of the table as it was, or as it is after the change.
    static std::string made(random_engine& random, bool changed, long long id) {
        const long long value = pick(random, 1, 1000000);
        return fmt::format(
            fmt::runtime(
                changed ? "INSERT INTO t (id, remark, amount, mark, fresh) VALUES ({0}, 'n{1}', {1}, 'm', {1}); "
                          "INSERT INTO model VALUES ({0}, 'n{1}', {1}, 'made later', NULL, 'm', {1}, 'm', {1})"
                        : "INSERT INTO t (id, note, amount, gone, mark) VALUES ({0}, 'n{1}', {1}.125, 'g{1}', 'm'); "
                          "INSERT INTO model VALUES ({0}, 'n{1}', {1}.125, 'g{1}', NULL, 'm', {1}, 'n{1} {1}.125', 1)"),
            id, value);
    }

    /// One column of the table as it is after the change.
    static std::string changed_value(random_engine& random, long long id) {
        static constexpr std::array<const char*, 4> all{
            "UPDATE t SET remark = 'r{1}' WHERE id = {0}; UPDATE model SET note = 'r{1}' WHERE id = {0}",
            "UPDATE t SET amount = {1} WHERE id = {0}; UPDATE model SET amount = {1}, new_amount = {1} WHERE id = {0}",
            "UPDATE t SET mark = 'm{1}' WHERE id = {0}; UPDATE model SET mark = 'm{1}', new_mark = 'm{1}' WHERE id = "
            "{0}",
            "UPDATE t SET fresh = {1} WHERE id = {0}; UPDATE model SET fresh = {1} WHERE id = {0}"};
        const char* one = all.at(static_cast<std::size_t>(pick(random, 0, 3)));
        return fmt::format(fmt::runtime(one), id, pick(random, 1, 1000000));
    }

    /// One column of the table as it was.
    static std::string value(random_engine& random, long long id) {
        static constexpr std::array<const char*, 3> all{
            "UPDATE t SET note = 'o{1}' WHERE id = {0}; "
            "UPDATE model SET note = 'o{1}', new_mark = concat('o{1}', ' ', amount) WHERE id = {0}",
            "UPDATE t SET amount = {1}.375 WHERE id = {0}; "
            "UPDATE model SET amount = {1}.375, new_amount = {1}, new_mark = concat(note, ' ', '{1}.375') WHERE id = "
            "{0}",
            "UPDATE t SET gone = 'g{1}' WHERE id = {0}; UPDATE model SET gone = 'g{1}' WHERE id = {0}"};
        const char* one = all.at(static_cast<std::size_t>(pick(random, 0, 2)));
        return fmt::format(fmt::runtime(one), id, pick(random, 1, 1000000));
    }

    std::string uri_;
    std::uint64_t seed_;
    std::atomic<long long> committed_{0};
    std::atomic<bool> failed_{false};
    std::mutex turnstile_;
    std::shared_mutex running_;
    std::mutex mutex_;
    strings failures_;
    std::vector<std::jthread> threads_;
};

class with_a_model : public revert_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(
                "CREATE TABLE t (id int PRIMARY KEY, note text, amount numeric, gone text DEFAULT 'made later', "
                "code int UNIQUE, mark text); INSERT INTO t SELECT i, 'note ' || i, i / 8.0, 'gone ' || i, i * 10, "
                "'mark ' || i FROM generate_series(1, 4000) i; "
                "CREATE TABLE model AS SELECT *, amount::int AS new_amount, concat(note, ' ', amount) AS new_mark, "
                "1 AS fresh FROM t; ALTER TABLE model ADD PRIMARY KEY (id); "
                "CREATE VIEW as_it_was AS SELECT id, note, amount, gone, code, mark FROM model; "
                "CREATE VIEW as_changed AS SELECT id, note AS remark, new_amount AS amount, code, new_mark AS mark, "
                "fresh FROM model");
        }
    }

    void expect_as_the_model(model_writers& writers, bool changed) {
        const auto quiet = writers.quiet();
        EXPECT_EQ(changed ? differing_rows(sql(), "as_changed", "t", "id, remark, amount, code, mark, fresh")
                          : differing_rows(sql(), "as_it_was", "t", "id, note, amount, gone, code, mark"),
                  strings{});
    }
};

TEST_F(with_a_model, what_the_change_loses_comes_back_on_every_leg) {
    const std::uint64_t seed = workload_seed();
    model_writers writers(db().uri(), seed);
    for (const char* isolation : {"READ COMMITTED", "REPEATABLE READ", "READ COMMITTED"}) {
        writers.add(isolation);
    }
    writers.wait_for_more(20);
    ASSERT_TRUE(exited(run_revertible("DROP COLUMN gone, RENAME COLUMN note TO remark, ALTER COLUMN amount TYPE int, "
                                      "ADD COLUMN fresh int DEFAULT 1",
                                      {"--set", "mark = concat(note, ' ', amount)"}),
                       0));
    expect_as_the_model(writers, true);
    for (int leg = 1; leg <= 3 && !HasFailure(); ++leg) {
        writers.wait_for_more(150);
        EXPECT_TRUE(exited(revert(), 0)) << "leg " << leg;
        expect_as_the_model(writers, leg == 2);
    }
    writers.wait_for_more(20);
    EXPECT_EQ(writers.stop(), strings{});
    expect_as_the_model(writers, false);
    if (HasFailure()) {
        ADD_FAILURE() << "PGEIST_SEED=" << seed;
    }
}

}  // namespace
}  // namespace pgeist::test
