#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/probe/effect.hpp"

/// A change that is done step by step where the tables are: what one method does is a step, what one transaction (or
/// one statement that makes its own) does is an action of it.
namespace pgeist::steps {

/// How a part of a change is done; the contract's words are these names.
enum class method { nothing, native, validate, concurrently, copy, backfill, reindex, server };

[[nodiscard]] std::string_view word_of(method how);
/// @throws std::invalid_argument
[[nodiscard]] method method_of(std::string_view word);

/// A relation that an action locks before it does anything.
struct wanted_lock {
    qualified_name relation;
    probe::lock_mode mode = probe::lock_mode::none;
    probe::relation_kind kind = probe::relation_kind::table;
    friend bool operator==(const wanted_lock&, const wanted_lock&) = default;
};

enum class action_kind {
    /// `statements` in one transaction, under `locks`, which are taken first by the swap's protocol.
    transaction,
    /// One statement that keeps nobody waiting and may take long: VALIDATE, ANALYZE. In a transaction of its own,
    /// without statement_timeout.
    patient,
    build_index,  ///< CREATE INDEX CONCURRENTLY
    /// The same on each leaf of a partitioned table; statements: definition, constraint, `unique` or nothing. What is
    /// to
    /// be said of the leaves afterwards goes before the next action's statements.
    build_on_partitions,
    drop_index,  ///< DROP INDEX CONCURRENTLY
    reindex,     ///< REINDEX (INDEX | TABLE) CONCURRENTLY
    detach,      ///< ALTER TABLE … DETACH PARTITION … CONCURRENTLY
    run_alone,   ///< one statement that is refused in a transaction block (VACUUM, ALTER SYSTEM)
    copy,        ///< the step's statement, by a shadow table
    backfill,    ///< the step's statement, an UPDATE or DELETE, in chunks
};

struct action {
    action_kind kind = action_kind::transaction;
    std::string label;                    ///< for people: `validating orders_total_check`
    std::vector<std::string> statements;  ///< in order
    std::vector<wanted_lock> locks;       ///< in the order in which they are taken
    /// The server ends the transaction after --max-block; the step is then done by the next method.
    bool bounded = false;
    /// What takes the action back once a later one of the same step has failed; run in one transaction.
    std::vector<std::string> take_back;
    qualified_name relation;  ///< the table that it is about: of the kinds that have no transaction
    qualified_name index;     ///< the index that build_index makes, or drop_index and reindex are about
    friend bool operator==(const action&, const action&) = default;
};

/// What one method does of a change.
struct step {
    int number = 0;          ///< from 1
    std::string statement;   ///< the part as a statement of its own, without semicolon
    std::size_t line = 0;    ///< in the file that it comes from; 0: none
    std::size_t source = 0;  ///< which of the question's statements it is a part of, from 0; not stored
    std::string table;       ///< as relations are named; empty: it is about none
    method how = method::native;
    std::string why;  ///< one sentence without full stop
    probe::evidence evidence = probe::evidence::rules;

    // What it does, by its method, to what others use.
    std::vector<probe::relation_lock> locks;
    std::vector<std::string> rewrites;
    std::vector<std::string> scans;
    std::vector<std::string> builds;
    std::optional<std::int64_t> blocks_ms;     ///< how long others wait, at most
    std::optional<std::int64_t> estimated_ms;  ///< how long it takes

    /// SET and RESET that hold for this step: name and value, as probe::trial_options::settings.
    std::vector<std::pair<std::string, std::string>> session;
    std::vector<action> actions;  ///< in order; empty for `nothing`
    /// The same part by the next method, for when a bounded action takes too long. Of these only how, why and actions
    /// differ; a copy has none.
    std::vector<step> otherwise;
};

/// As stored with the job; reads what earlier versions have written.
[[nodiscard]] std::string to_json(const step& what);
[[nodiscard]] step step_from_json(const std::string& text);

/// The step as `plan --output json` has it in `steps`, and, with `state`, `status`.
[[nodiscard]] std::string describe_json(const step& what, std::optional<std::string_view> state = std::nullopt);

/// For people, several lines each.
[[nodiscard]] std::string describe(const std::vector<step>& all);

}  // namespace pgeist::steps
