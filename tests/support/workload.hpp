#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/test_database.hpp"
#include "support/workload_shape.hpp"

namespace pgeist::test {

/// The seed of this test run: PGEIST_SEED, else a new one. Printed, so that a failure can be run again.
std::uint64_t workload_seed();

/// One writer's habits.
struct writer_options {
    std::string uri;
    std::string isolation = "READ COMMITTED";
    /// Writes as replication does: session_replication_role = replica (needs a superuser).
    bool replica_role = false;
    /// Uses prepared statements.
    bool prepared = false;
    /// In one of so many transactions it stays open for up to two seconds; 0 is never.
    int one_long_in = 0;
    /// In one of so many transactions it truncates; 0 is never.
    int one_truncate_in = 0;
    /// Until the table was truncated so often.
    int most_truncations = std::numeric_limits<int>::max();
};

/// What the workload did. A failure is an error that the writers do not cause each other: serialization failures,
/// deadlocks and unique violations are part of their life; everything else can only be the program's doing.
struct workload_report {
    long long committed = 0;
    std::map<std::string, long long> expected_errors;  ///< by SQLSTATE
    std::vector<std::string> failures;
};

/// Writers in threads of their own, which write to a table and its twin until they are stopped.
class workload {
public:
    /// The shape must outlive this.
    workload(const workload_shape& shape, std::uint64_t seed);
    ~workload();
    workload(const workload&) = delete;
    workload& operator=(const workload&) = delete;

    /// Starts one more writer.
    void add(const writer_options& options);

    /// Transactions committed up to now.
    [[nodiscard]] long long committed() const noexcept { return committed_.load(); }

    /// Waits until so many more transactions have been committed. Throws wait_failed.
    void wait_for_more(long long transactions) const;

    /// Lets the open transactions end, and stops.
    workload_report stop();

private:
    void write(const std::stop_token& stop, const writer_options& options, std::uint64_t seed);
    void one_transaction(sync_connection& connection, class workload_transaction& work, const writer_options& options,
                         random_engine& random);
    void note_error(const std::string& state, const std::string& message);

    const workload_shape& shape_;
    std::uint64_t seed_;
    std::atomic<long long> committed_{0};
    std::atomic<int> truncations_{0};
    std::mutex mutex_;
    workload_report report_;
    std::vector<std::jthread> threads_;
};

}  // namespace pgeist::test
