#pragma once

#include <array>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/statement.hpp"

namespace pgeist::plan {

/// When a step of the swap is done, in this order.
enum class stage {
    ahead,     ///< before each attempt, all in one transaction: what is filled from the shadow
    before,    ///< before the swap, each in a transaction of its own, with the source in use; may be repeated
    detach,    ///< under all locks: the old table is freed of what will belong to the new one
    exchange,  ///< under all locks: the tables change places
    attach,    ///< under all locks: the new table, which has its final name now, gets it
    finish     ///< after the commit, each in a transaction of its own, under weak locks; may be repeated
};

/// Those that are one transaction, under all locks.
inline constexpr std::array stages_under_locks{stage::detach, stage::exchange, stage::attach};

enum class lock_way {
    table,        ///< LOCK TABLE
    parent,       ///< LOCK TABLE ONLY: without its other children; first, as queries that go through it do
    statement,    ///< by a statement that changes nothing: LOCK TABLE on a view would lock what it reads, too
    by_reference  ///< by one that refers to the table: for who may do that and not LOCK it; last
};

/// What a step needs in ACCESS EXCLUSIVE mode, besides the two tables that change places. All are taken together before
/// the first step that runs under them.
struct swap_lock {
    lock_way by = lock_way::table;
    qualified_name name;
    std::string sql;
};

/// One step of the swap.
struct swap_step {
    stage when = stage::attach;
    std::string label;             ///< what it is about, for messages
    std::string sql;               ///< does it; empty: there are only locks to be taken
    std::string undo;              ///< of stage `before`: takes it back when the swap does not come. What is done later
                                   ///< goes with its transaction, or is finished
    std::vector<swap_lock> locks;  ///< of the stages under locks
};

/// What a swap does, step by step; within a stage in the order of the list.
class swap_plan {
public:
    swap_plan() = default;
    explicit swap_plan(std::vector<swap_step> steps) : steps_(std::move(steps)) {}

    /// @returns the new step, until the next one is added
    swap_step& add(stage when, pg::statement what);
    swap_step& add(swap_step step);
    void add_all(stage when, std::vector<pg::statement> what);
    /// As the first of its stage.
    swap_step& add_first(stage when, pg::statement what);

    [[nodiscard]] const std::vector<swap_step>& steps() const noexcept { return steps_; }
    [[nodiscard]] std::vector<pg::statement> statements(stage when) const;
    /// What takes back the steps of stage `before`, from the last to the first.
    [[nodiscard]] std::vector<pg::statement> undo() const;

    /// Each once, in the order in which queries come to them.
    [[nodiscard]] std::vector<qualified_name> locked_parents() const;
    /// Each once, in the order of their names, as any other careful program would take them.
    [[nodiscard]] std::vector<qualified_name> locked_tables() const;
    /// LOCK TABLE of all of these and of `in_use`, in that order: parents, `in_use`, the others.
    [[nodiscard]] std::string lock_table(const qualified_name& in_use) const { return lock_tables({in_use}); }
    /// The same where several tables are exchanged: these, in their order, in the place of `in_use`.
    [[nodiscard]] std::string lock_tables(const std::vector<qualified_name>& in_use) const;
    /// Statements that take locks, by name; the last ones take those of `in_use` and of all tables once more first,
    /// since writers lock a table before what it refers to.
    [[nodiscard]] std::vector<pg::statement> lock_statements(const qualified_name& in_use) const {
        return statements_that_lock({in_use});
    }
    [[nodiscard]] std::vector<pg::statement> statements_that_lock(const std::vector<qualified_name>& in_use) const;
    /// locked_tables() but for those.
    [[nodiscard]] std::vector<qualified_name> locked_besides(const std::vector<qualified_name>& in_use) const;

private:
    [[nodiscard]] std::vector<const swap_lock*> locks(lock_way by) const;

    std::vector<swap_step> steps_;
};

/// One plan of several, stage by stage: all that must be done before anything changes place is, for all of them.
[[nodiscard]] swap_plan merged(const std::vector<swap_plan>& plans);

/// The table that is in use, and where the other one of the same name waits. The tables change places, so that the
/// same value tells of the way back.
struct exchange_places {
    qualified_name in_use;
    std::string waiting_schema;
    std::string passage_schema;  ///< empty but for a moment
};

/// Stage `exchange`.
[[nodiscard]] std::vector<swap_step> exchange_steps(const exchange_places& places);

}  // namespace pgeist::plan
