#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "pgeist/plan/alter.hpp"
#include "pgeist/target/build_context.hpp"
#include "pgeist/transfer/way_back.hpp"

/// The steps of rewrite::make_blueprint(), all in the caller's transaction.
namespace pgeist::target {

/// Makes both schemas and the shadow with everything the source has but foreign keys.
[[nodiscard]] awaitable<void> assemble(build_context& at);

/// `create`, which makes the table or materialized view `made`, with what it takes to give its array type the name
/// `wanted`.
[[nodiscard]] awaitable<std::vector<plan::statement>> with_array_type(build_context& at,
                                                                      std::vector<plan::statement> create,
                                                                      qualified_name made, std::string wanted);

/// Gives the shadow the source's foreign keys, in both directions, against stand-ins.
[[nodiscard]] awaitable<void> add_foreign_keys(build_context& at);
/// The stand-in of the table `real_oid`, made when there is none yet.
[[nodiscard]] awaitable<stand_in> stand_in_for(build_context& at, std::int64_t real_oid);

/// Makes the shadow a child of stand-ins for the source's parents.
[[nodiscard]] awaitable<void> join_parents(build_context& at);
/// Finds those again, where a table that is to come back waits as their child. @throws error (refused) when one is gone
[[nodiscard]] awaitable<void> find_parents(build_context& at);
/// The table that hands down what is not an inheriting source's own, until the stand-ins do.
[[nodiscard]] qualified_name column_parent_of(const build_context& at);

/// Reads the shadow as a table that has the source's name and whose foreign keys lead to the real tables.
[[nodiscard]] awaitable<catalog::table> read_shadow(build_context& at);

/// Throws when the assembled shadow lacks something of the source: whatever no step above carries.
void require_same_definition(const build_context& at, const catalog::table& found);

/// An SQL expression of the user with all names resolved.
struct resolved {
    std::string sql;              ///< its columns replaced as asked
    std::set<std::string> reads;  ///< source columns in it
    bool repeatable = true;       ///< gives the same value whenever it is evaluated
    bool is_volatile = false;     ///< may give another value each time within one statement
    bool follows_clock = false;   ///< not volatile, but of the time, the session or the role: now(), current_user
    bool built_in = false;        ///< its value depends on those columns alone: see catalog::built_in_sql()
};

/// A column that an expression may name: what to write for it, and which source columns that reads.
struct known_column {
    std::string name;
    std::string sql;  ///< empty: an expression must not use it
    std::set<std::string> reads;
};

/// SQL, true where a tree has functions whose bodies are texts: what they name they find by the search_path of whoever
/// calls them.
[[nodiscard]] std::string calls_by_path(const std::string& tree);

/// Resolves `text` as the user's session would, over the columns of `like` (a table of the same columns). An expression
/// whose text would mean something else with our search_path becomes a function in the job's schema, which `at.finish`
/// drops after the swap.
/// @throws error with exit code `refused`; `what` names the expression: "USING of column a"
[[nodiscard]] awaitable<resolved> resolve_expression(build_context& at, qualified_name like,
                                                     std::vector<known_column> columns, std::string text,
                                                     std::string what);

/// The value that a bare literal has in the column now: 'today' is the same day for all rows, whenever they are copied.
/// @throws error with exit code `refused` when it is no value of the column's type
[[nodiscard]] awaitable<std::string> evaluate_literal(build_context& at, catalog::column column, std::string text,
                                                      std::string what);

/// The value that the default of a new column has now, as an SQL literal of the column's type.
[[nodiscard]] awaitable<std::string> evaluate_default(build_context& at, catalog::column column);

/// Runs `alter` on the shadow as the user's session would; what the server says against it, if anything. A statement
/// that failed has left nothing behind.
[[nodiscard]] awaitable<std::optional<pg::sql_error>> try_alter(build_context& at, plan::alter_statement alter);

/// Whether the table has the change already: the reason, or nullopt. Leaves the shadow as it was.
[[nodiscard]] awaitable<std::optional<std::string>> already_applied(build_context& at,
                                                                    std::vector<plan::alter_statement> alters,
                                                                    catalog::table assembled);

/// Whether values of this type are written as names, which depend on the search_path: `regclass`, `regtype[]` …
[[nodiscard]] bool is_of_names(const std::string& type);

/// Runs the user's clauses on the shadow and follows in `at.values` what becomes of each column.
[[nodiscard]] awaitable<void> apply_clauses(build_context& at, std::vector<plan::alter_statement> alters);
/// Puts the `--set` expressions into `at.values`.
[[nodiscard]] awaitable<void> apply_assignments(build_context& at);

/// Refuses columns that are added with one value for all rows which their own constraints do not take, when there are
/// rows. Looks for a row of the source.
[[nodiscard]] awaitable<void> check_added_values(build_context& at, const catalog::table& after, const walk::key& key);
/// The rights that sequences made by the clauses would have by default privileges of the source's schema, where they
/// go.
[[nodiscard]] awaitable<void> grant_on_new_sequences(build_context& at);

/// Drops from the shadow what the copy must not meet: foreign keys and stand-ins, triggers, indexes, NOT VALID
/// constraints.
[[nodiscard]] awaitable<void> strip(build_context& at, const catalog::table& after);

/// The blueprint's columns.
[[nodiscard]] awaitable<std::vector<plan::column>> map_columns(build_context& at, const catalog::table& after);
/// Chooses the walked key, the shadow's key index and the indexes built later: `key`, `key_index`, `indexes`.
[[nodiscard]] awaitable<void> plan_key_and_indexes(build_context& at, const catalog::table& after,
                                                   plan::blueprint& into);

/// The way back from the table that the shadow is to be, with its `--back-set` texts: asks the server which values it
/// assigns, and resolves the expressions as the user's session would, over the new columns. `into` has the way there:
/// key, key index and columns. @throws error (refused) for a text that is no expression over the new columns, or names
/// no old column
[[nodiscard]] awaitable<transfer::way_back> plan_way_back(build_context& at, const catalog::table& after,
                                                          const plan::blueprint& into,
                                                          std::vector<std::string> back_sets);

/// The key by which the table's own rows are walked along this index, read side and write side being the same table.
[[nodiscard]] awaitable<plan::key> key_of_index(pg::connection& conn, const catalog::table& of,
                                                const catalog::index& walked);

/// Fills in `made.meaning` for an index that the shadow has now.
[[nodiscard]] awaitable<void> note_meaning(build_context& at, const catalog::table& after, plan::index& made);

/// Whether rows are copied in the order of the table's file: as asked, or where it is large and the walked key's order
/// has little to do with it.
[[nodiscard]] awaitable<bool> copies_in_heap_order(build_context& at, const plan::key& walked);
/// `--order-by`: fills in what the rows are to be ordered by, and leaves CLUSTER's mark on the shadow where that is an
/// index. @throws error (refused) for what has no order, or is not there
[[nodiscard]] awaitable<void> plan_row_order(build_context& at, plan::blueprint& into);
/// Rows that are equal in the order asked for lie in that of the walked key, when that is known.
void add_key_to_row_order(plan::blueprint& into);
/// How far the rows of `table` lie in the order of the plan's first column, -1 … 1, by the statistics; unset: not
/// known.
[[nodiscard]] awaitable<std::optional<double>> correlation_of(pg::connection& conn, std::int64_t table,
                                                              const plan::blueprint& plan);
/// @throws error (refused) when rows do not lie in blocks as heap has it
[[nodiscard]] awaitable<void> require_heap(build_context& at);
/// Fills in `retypes` and `changes_columns`.
void note_changes(build_context& at, const catalog::table& after);
/// What became of the source's column `attnum` in the shadow; nullptr when it is dropped.
[[nodiscard]] const catalog::column* kept_column(const build_context& at, const catalog::table& after, int attnum);

/// Whether changes are captured row by row: where statement triggers would not fire for every change, or where the rows
/// that are kept for them could end the application's statement.
[[nodiscard]] awaitable<bool> needs_row_capture(build_context& at);

/// Whether the server, this database or a role has `track_counts` off: then it cannot tell how many rows a transaction
/// has inserted.
[[nodiscard]] awaitable<bool> counts_may_be_off(build_context& at);

/// Has the server check that rows of the source fit the shadow: types, casts, names. Reads no row.
[[nodiscard]] awaitable<void> check_copy_statement(build_context& at, const plan::blueprint& plan);
/// Puts the first rows into a table like the shadow, and takes that back. Refuses functions that find what they need by
/// the caller's search_path only, which is not that of our sessions.
[[nodiscard]] awaitable<void> try_first_rows(build_context& at, const plan::blueprint& plan);
/// Refuses SET LOGGED and SET UNLOGGED: crash recovery would empty one of the tables and not the other.
void check_persistence(const build_context& at, const catalog::table& after);
/// Refuses a change that disables the trigger of a deferrable constraint, which is made anew with its index.
void check_deferred_checks(const catalog::table& after);
/// Refuses foreign keys of which some would be bound to another unique index than before.
void check_bindings(const build_context& at, const catalog::table& after);
/// Refuses an owner's change that ALTER TABLE would refuse in the source's own schema.
[[nodiscard]] awaitable<void> check_new_owner(build_context& at, const catalog::table& after);
/// Refuses names of new indexes, sequences and the array type that something else has in the source's schema.
[[nodiscard]] awaitable<void> check_names(build_context& at, const catalog::table& after);

}  // namespace pgeist::target
