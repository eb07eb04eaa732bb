#pragma once

#include <string>
#include <vector>

#include "pgeist/target/steps.hpp"

/// The parts of the plan of a swap, and its rehearsal, all in the transaction that makes the table to be.
namespace pgeist::swap {

using namespace sql;  // its builders are this room's words, too
using target::build_context;
using target::known_column;

/// What the definition must be after the swap, as catalog::definition_in_swap() says it.
[[nodiscard]] std::vector<std::string> expected_definition(const build_context& at, catalog::table after);

/// What the swap and the time after it do with the table's own parts.
[[nodiscard]] awaitable<void> plan_swap(build_context& at, const catalog::table& after, plan::blueprint& into);

/// Run in the swap: the sequence `made` goes on with the numbers of the source's identity sequence `old`, beyond a gap
/// that is left to those who still draw from that one.
[[nodiscard]] plan::statement go_on_with_numbers(const build_context& at, const catalog::sequence& old,
                                                 const catalog::sequence& made);

/// Run in the swap: `old` hands out nothing more.
[[nodiscard]] plan::statement end_numbers(const build_context& at, const catalog::sequence& old);

/// Run in the swap back of a table whose identity the other one has not: `made`, which may have been given an end, is
/// what it was, and goes on behind what it has handed out and what `column` has by then. `in_order`: an index tells the
/// column's last value.
[[nodiscard]] plan::statement bring_numbers_back(const build_context& at, const catalog::sequence& made,
                                                 const std::string& column, bool in_order);

/// What proves to the server that the shadow's rows belong into the partition: a CHECK on the shadow and, when the
/// parent has a DEFAULT partition, one on that, made before the swap. Refuses large tables for which there is no proof.
[[nodiscard]] awaitable<void> prove_partition(build_context& at, plan::blueprint& into);

/// The parents' part in the swap: leaving them and joining them again. After all others have planned their parts.
[[nodiscard]] awaitable<void> plan_swap_parents(build_context& at, const catalog::table& after, plan::blueprint& into);

/// What hangs on the table without being part of it: policies, extended statistics, publications.
[[nodiscard]] awaitable<void> plan_swap_objects(build_context& at, const catalog::table& after, plan::blueprint& into);

/// Whether the role may LOCK TABLE … IN ACCESS EXCLUSIVE MODE.
[[nodiscard]] awaitable<bool> may_lock(pg::connection& conn, qualified_name table);

/// Refuses tables that the swap must lock and the role may not lock.
[[nodiscard]] awaitable<void> check_locks(build_context& at, const plan::blueprint& into);

/// @throws error (refused) naming a view that the plans of two tables, which are exchanged together, would both make
/// anew
void require_separate_views(const std::vector<const plan::blueprint*>& plans);

/// A table whose swap is rehearsed.
struct rehearsed {
    build_context* at;
    const catalog::table* after;
    const plan::blueprint* planned;  ///< without what the swap plans; the shadow is stripped
};

/// Does on empty tables what the swap will do: the shadow, with its indexes, changes places with a copy of the source
/// that has stand-ins around it, and must come out as `after`. Nothing of it stays. What hangs on the source by its OID
/// has been tried on the shadow by plan_bound_objects(). Several tables: all of them at once.
/// @throws error (refused) that says what would fail
[[nodiscard]] awaitable<void> rehearse_swap(std::vector<rehearsed> tables);

}  // namespace pgeist::swap
