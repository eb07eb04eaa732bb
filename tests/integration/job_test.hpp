#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "coroutine_runner.hpp"
#include "pgeist/build/workspace.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/source_file.hpp"
#include "recording_observer.hpp"
#include "support/test_database.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {

/// A test that takes a job through its steps one at a time, with writers of its own in between: no sleeps, no luck.
class job_test : public database_test, protected coroutine_runner {
protected:
    void SetUp() override;
    void TearDown() override;

    /// As await(), but false when it has not ended in time; then it stays where it is for the rest of the test.
    bool ends_within(std::chrono::seconds limit, awaitable<void> task);

    /// Makes the job (shadow, log, trigger functions) for a change of `table`; no triggers yet.
    void prepare(const std::string& table, const std::vector<std::string>& alters, run::settings chosen = {},
                 plan::copy_order order = plan::copy_order::automatic);
    void prepare(const plan::change_request& change, const run::settings& chosen);
    /// Installs the triggers.
    void capture();
    /// Copies one range of keys in a transaction of its own. @returns rows
    std::int64_t copy(walk::key_range range);
    /// Copies everything in one chunk.
    void copy_all() { copy(walk::key_range{}); }
    /// One pass of replay over the log.
    void replay();
    /// Key index, consistent point, all other indexes.
    void build();

    [[nodiscard]] pgeist::build::workspace& work() { return *work_; }
    [[nodiscard]] const pgeist::transfer::spec& transfer() { return transfer_; }
    [[nodiscard]] const plan::blueprint& plan() { return plan_; }
    [[nodiscard]] recording_observer& observer() { return observer_; }
    [[nodiscard]] pg::connection& session() { return *session_; }
    [[nodiscard]] pg::pool& pool() { return *pool_; }
    /// Expects the shadow, columns cast as the source has them, to be the source row by row.
    void expect_equal(const std::string& columns = "*");

private:
    std::unique_ptr<pg::pool> pool_;
    std::unique_ptr<job::advisory_locks> hold_;
    std::unique_ptr<pg::connection> session_;
    job::record record_;
    plan::blueprint plan_;
    pgeist::transfer::spec transfer_;
    recording_observer observer_;
    report::progress progress_;
    open_road road_;
    std::unique_ptr<pgeist::build::workspace> work_;
};

/// What a job begins with of which nothing but its row is of interest.
[[nodiscard]] inline job::beginning beginning_of(qualified_name table, std::int64_t oid) {
    job::beginning what;
    what.kind = "copy";
    what.table = std::move(table);
    what.table_oid = oid;
    what.change = plan::to_json(plan::change_request());
    what.phase = "prepare";
    return what;
}

/// A key bound of one column.
[[nodiscard]] inline walk::bound at(const std::string& value) { return std::vector<std::string>{value}; }

}  // namespace pgeist::test
