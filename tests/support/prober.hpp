#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/test_database.hpp"

namespace pgeist::test {

/// An application beside a change: runs its statements one after another, every few milliseconds, each in a transaction
/// of its own, and knows how long one of them waited at most.
class prober {
public:
    prober(const test_database& database, std::vector<std::string> statements);
    ~prober();
    prober(const prober&) = delete;
    prober& operator=(const prober&) = delete;

    /// Ends it, and gives the longest wait, in ms. That one of its statements failed fails the test.
    long long stop();

    /// What it may wait besides --max-block, in ms: the share of the lock's protocol, on a busy machine.
    static constexpr long long lock_share = 1500;

private:
    void work();

    sync_connection connection_;
    const std::vector<std::string> statements_;
    std::atomic<bool> stop_ = false;
    std::chrono::steady_clock::duration longest_{};
    std::string error_;
    int rounds_ = 0;
    std::thread thread_;
};

/// Data so slow that whoever can be kept waiting by the one who reads them is: an event trigger ends no DDL that has
/// read `many_rows` of the tables and indexes of `schema`, or more, before a round that a prober has begun since is
/// over; or, where the prober stands behind the lock of that very DDL, before
/// `at_most` has passed. So a change that
/// blocks is seen by its prober whatever the size of the table, and one that does not takes no time.
class slow_data {
public:
    static constexpr int many_rows = 500;
    static constexpr long long at_most = 2500;  ///< ms: more than prober::lock_share

    slow_data(sync_connection& superuser, const std::string& schema);

    /// The statement by which a round of a prober ends.
    [[nodiscard]] static std::string end_of_round() { return "SELECT nextval('slow_data.rounds')"; }

    /// How often DDL was held so.
    [[nodiscard]] long long held();

private:
    sync_connection& superuser_;
};

}  // namespace pgeist::test
