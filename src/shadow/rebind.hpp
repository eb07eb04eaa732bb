#pragma once

#include <set>
#include <string>

#include "pgeist/catalog/view.hpp"
#include "steps.hpp"

/// Objects elsewhere that hold the table by its OID: how the swap leads each to the new table. Their definitions are
/// read with the table's schema as search_path, so that its name comes back bare: the same text then means the shadow
/// where the job's schema comes first, and the new table after the swap. No text is searched for names.
namespace pgeist::shadow {

/// What the builders for each kind share.
struct rebinding {
    site& at;
    const catalog::table& after;  ///< the shadow with the change
    plan::blueprint& into;
};

/// The source's schema alone, SQL text.
[[nodiscard]] std::string home_path(const site& at);
/// The search_path under which the bare name means the shadow.
[[nodiscard]] std::string shadow_path(const site& at);

/// `sql` as a statement of the swap, in which a bare name of the source's schema means the table there.
[[nodiscard]] plan::statement at_home(const rebinding& what, std::string label, const std::string& sql);

/// Runs one query of ours about `oid` under home_path().
[[nodiscard]] awaitable<pg::result> query_at_home(site& at, std::string sql, std::int64_t oid);

/// Refuses when the object reads a column that the change drops or renames: its text would not fit. Only views can
/// follow a renaming.
[[nodiscard]] awaitable<void> require_same_columns(rebinding& what, std::string catalog_name,
                                                   catalog::bound_object object);

/// Adds another table to those that the swap locks.
void lock_too(rebinding& what, const qualified_name& table);

[[noreturn]] void refuse_object(const rebinding& what, const std::string& name, const std::string& reason,
                                const std::string& hint);

[[nodiscard]] awaitable<void> rebind_views(rebinding& what);
[[nodiscard]] awaitable<void> rebind_materialized_view(rebinding& what, catalog::bound_object object);

/// The view, plain or materialized, with its query as it reads on the new table. @throws error when it uses a column
/// that is dropped, or belongs to somebody else
[[nodiscard]] awaitable<catalog::view> read_for_new_table(rebinding& what, std::int64_t oid, std::string name);
[[nodiscard]] awaitable<void> rebind_function(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_policy(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_default(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_trigger(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_rule(rebinding& what, catalog::bound_object object);

}  // namespace pgeist::shadow
