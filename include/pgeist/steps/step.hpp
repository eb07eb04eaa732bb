#pragma once

#include <array>
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
    /// The same on each leaf of a partitioned table; statements: definition, constraint, `unique` or nothing, what is
    /// said of the constraint besides (DEFERRABLE). What is to be said of the leaves afterwards goes before the next
    /// action's statements.
    build_on_partitions,
    drop_index,  ///< DROP INDEX CONCURRENTLY
    reindex,     ///< REINDEX (INDEX | TABLE) CONCURRENTLY
    detach,      ///< ALTER TABLE … DETACH PARTITION … CONCURRENTLY
    run_alone,   ///< one statement that is refused in a transaction block (VACUUM, ALTER SYSTEM)
    copy,        ///< the step's statement, by a shadow table
    backfill,    ///< the step's statement, an UPDATE or DELETE, in chunks
    group,       ///< copies of several tables, `step::copies`, that are exchanged in one transaction
};

/// What takes an action back once a later one of the same step has failed.
enum class undoing {
    nothing,
    constraints,  ///< the constraints that its transaction has made are dropped
    column,       ///< `action::column` is dropped, which it has added, with all that is on it
};

/// What an action has made, by numbers: whatever has its name later may be somebody else's.
struct made_object {
    std::int64_t table_oid = 0;
    std::int64_t constraint_oid = 0;  ///< 0: it is a column
    int attnum = 0;                   ///< 0: it is a constraint
    bool pending = false;             ///< a constraint that is NOT VALID yet: what later actions mean by {{made}}
    friend bool operator==(const made_object&, const made_object&) = default;
};

struct action {
    action_kind kind = action_kind::transaction;
    std::string label;                    ///< for people: `validating orders_total_check`
    std::vector<std::string> statements;  ///< in order
    std::vector<wanted_lock> locks;       ///< in the order in which they are taken
    /// The server ends the transaction after --max-block; the step is then done by the next method.
    bool bounded = false;
    undoing undo = undoing::nothing;
    std::vector<made_object> made;  ///< known once it is done, where it is to be known
    std::string column;             ///< that it adds, or whose type it changes
    /// The CHECKs over `column` are dropped before the statements, as they read then, and added behind them, NOT VALID.
    bool checks_anew = false;
    /// The user's own statement about rows, or his code: in a session of its own, whose settings end with it.
    bool as_is = false;
    /// Locks that the statement asks for on its way are waited for no longer than --lock-timeout: nobody knows which.
    bool short_waits = false;
    qualified_name relation;  ///< the table that it is about: of the kinds that have no transaction
    /// The index that build_index makes, or drop_index and reindex are about. Without a name: the server would name it,
    /// by what `unnamed` says; later statements mean it by {{index}}. Known once it is begun.
    qualified_name index;
    std::string unnamed;  ///< the plain statement, `{table}` in the place of the table's name
    friend bool operator==(const action&, const action&) = default;
};

/// Stands in an action's statements for the constraint which the last action of the step that makes one has made, NOT
/// VALID; the executor puts its name in, quoted, a statement each where there are several.
inline constexpr std::string_view made_constraint = "{{made}}";
/// The same for its table, where that may be another one than the step's.
inline constexpr std::string_view made_table = "{{table}}";
/// The same for the index that an action of the step makes.
inline constexpr std::string_view made_index = "{{index}}";

/// Settings in which sessions of pgeist's differ from the user's own.
inline constexpr std::array settings_of_user{"search_path", "default_tablespace", "default_table_access_method",
                                             "row_security", "check_function_bodies"};

/// A table that a step copies.
struct copied_table {
    std::string change;   ///< a plan::change_request, as it is stored
    std::string because;  ///< what leads to it, for people
    friend bool operator==(const copied_table&, const copied_table&) = default;
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
    double pace = 1;                           ///< what that was corrected by, from what earlier steps took

    /// What holds for this step's session, the last of a name: what its user's begin with, and SET and RESET in the
    /// file; as probe::trial_options::settings.
    std::vector<std::pair<std::string, std::string>> session;
    std::vector<action> actions;  ///< in order; empty for `nothing`
    /// Of a copy: what is copied, where `table` and `statement` do not say it all. Several are a group.
    std::vector<copied_table> copies;
    /// The same part by the next method, for when a bounded action takes too long. Of these only how, why and actions
    /// differ; a copy has none.
    std::vector<step> otherwise;
};

/// As stored with the job; reads what earlier versions have written.
[[nodiscard]] std::string to_json(const step& what);
[[nodiscard]] step step_from_json(const std::string& text);

/// The step as `plan --output json` has it in `steps`, and, with `state`, `status`.
[[nodiscard]] std::string describe_json(const step& what, std::optional<std::string_view> state = std::nullopt);

/// The statements of all steps, for people: with words in the place of names that are not known yet.
[[nodiscard]] std::string sql_of(const std::vector<step>& all);

/// For people, several lines each.
[[nodiscard]] std::string describe(const std::vector<step>& all);

}  // namespace pgeist::steps
