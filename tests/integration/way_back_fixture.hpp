#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "coroutine_runner.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/replay/unfit.hpp"
#include "pgeist/transfer/way_back.hpp"
#include "recording_observer.hpp"
#include "support/test_database.hpp"

namespace pgeist::test {

/// A column of the new table, and where its values came from on the way there.
struct forth {
    std::string name;
    std::string from;        ///< the old column; empty: it is new
    std::string expression;  ///< with quoted names; empty: the old column as it is
    bool repeatable = true;
};

/// The old table `o` and the new one `n`, as they are after a swap: `n` is written to, `o` is kept in step.
class way_back_test : public database_test, protected coroutine_runner {
protected:
    void SetUp() override;
    void TearDown() override;

    /// Makes `n` what `o` is, converted, and captures what is written to it from then on. `sets`: as --back-set.
    void begin(std::vector<forth> columns, const std::map<std::string, std::string>& sets = {});
    /// The plan alone. `key_index`: of `n`.
    transfer::way_back plan(const std::vector<forth>& columns, const std::map<std::string, std::string>& sets = {},
                            const std::string& key_index = "n_pkey");

    /// Swaps back, and forth again: from now on the other table is written to, and this one is kept in step with it.
    /// The schema of the way is called leg_2, leg_3 … then.
    void turn();

    /// One pass over the log.
    void replay();
    /// The log rows of some blocks, or of one share, in a transaction of `session`.
    void replay(const replay::selection& rows);
    /// Compares every row of both tables, and expects no difference.
    void compare();
    /// The log is empty, all keys are the same, and `o` has what `expected` gives: a query over `n`, ordered.
    void expect_old(const std::string& columns, const std::string& expected);
    /// `key: reason` of each row that is set apart.
    std::vector<std::string> unfit();
    std::int64_t log_rows();

    [[nodiscard]] const transfer::spec& spec() const { return spec_; }
    [[nodiscard]] transfer::workspace& parts() { return *parts_; }
    [[nodiscard]] pg::connection& session() { return *session_; }
    [[nodiscard]] recording_observer& observer() { return observer_; }
    [[nodiscard]] run::settings& settings() { return settings_; }
    /// Rows in `n` are captured by row triggers; to be set before begin().
    bool row_triggers_ = false;

private:
    std::vector<transfer::column> columns_there(const std::vector<forth>& columns);
    walk::key key_there(const std::vector<forth>& columns);

    /// Makes log, tables and triggers of `spec_`, and what its parts work with.
    void put_on();

    std::unique_ptr<pg::pool> pool_;
    std::unique_ptr<pg::connection> session_;
    std::vector<transfer::column> there_;
    walk::key key_;
    run::settings settings_;
    transfer::spec spec_;
    transfer::spec first_;  ///< of leg 1
    int leg_ = 1;
    job::tenure mine_;
    recording_observer observer_;
    report::progress progress_;
    open_road road_;
    std::unique_ptr<transfer::workspace> parts_;
};

}  // namespace pgeist::test
