#pragma once

#include <set>
#include <string>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/catalog/view.hpp"
#include "pgeist/dependents/dependents.hpp"
#include "pgeist/target/steps.hpp"

/// Objects elsewhere that hold the table by its OID: how the swap leads each to the new table. The statements of the
/// swap name everything in full, so that nobody can put another object in the way before they run. To try an object on
/// the shadow, its definition is printed with the table's schema as search_path, which leaves the table's name bare,
/// and read again with the job's schema before that. No text is searched for names.
namespace pgeist::dependents {

using namespace sql;  // its builders are this room's words, too
using target::build_context;
using target::names_in;
using target::renamed_schema;
using target::table_oid;
using target::with_schemas;

/// A function for the shadow's row type beside the one for the table's.
struct overload {
    std::string name;
    std::string path;  ///< search_path to make it with
    std::string sql;
};

/// What the builders for each kind share.
struct rebinding {
    build_context& at;
    const catalog::table& after;  ///< the shadow with the change
    plan::blueprint& into;
    std::vector<std::string> strangers;  ///< roles to whom default privileges give rights on new objects
    /// Functions that take the table's row type, with views on them: made once more for the shadow's row type, while
    /// such a view is tried.
    std::vector<overload> overloads;
    std::vector<std::string> views_on_overloads;  ///< their OIDs; they go and come with the functions
    bool retyped = false;  ///< a column gets another type or collation: other operators may be right
};

/// The source's schema alone, or with those of the other tables of its group; SQL text.
[[nodiscard]] std::string home_path(const build_context& at);
/// Objects elsewhere that this table leads over: those that no other table of its group has led already.
[[nodiscard]] std::vector<catalog::bound_object> bound_objects(const build_context& at);
/// The search_path under which the bare name means the shadow.
[[nodiscard]] std::string shadow_path(const build_context& at);

/// What a function of the server prints about `oid` with this search_path. `deparser` is its qualified name, or a query
/// over `$1`, in which all is qualified: that alone runs under a search_path in which others can make objects.
[[nodiscard]] awaitable<std::string> printed(build_context& at, std::string path, std::string deparser,
                                             std::int64_t oid);

/// Runs `sql` with this search_path. @throws error (refused) that names the object when the server does not take it
[[nodiscard]] awaitable<void> try_with(rebinding& what, std::string name, std::string path, std::string sql);

/// Refuses when text that was read again uses other operators than it did. @throws error (refused)
[[nodiscard]] awaitable<void> require_same_operators(rebinding& what, std::string name, catalog::used_operators before,
                                                     catalog::used_operators after);
/// The swap looks once more, when it has read the text: `tree` (see catalog::trees) must use these.
void expect_operators(rebinding& what, const std::string& name, const std::string& tree,
                      const catalog::used_operators& used);

/// Notes `text` for the way back. Where the table comes back to where the object stood before, and nobody has changed
/// it since, puts that text in its place. @returns whether: then it names columns as they will be
[[nodiscard]] awaitable<bool> take_text_of_before(rebinding& what, plan::led_text& text);

/// Runs `create` on a copy of the source whose columns are then renamed as the change does it. @returns what `deparser`
/// prints of the object `oid` (an SQL expression) then, with bare names
[[nodiscard]] awaitable<std::string> printed_with_new_names(rebinding& what, std::string name,
                                                            catalog::operator_schemas schemas, std::string create,
                                                            std::string deparser, std::string oid);
/// Whether the change renames a column, of this table or of another one of its group.
[[nodiscard]] bool renames_columns(const rebinding& what);

/// `text`, printed of something in the job's schema, as it must read in the source's.
[[nodiscard]] std::string moved_home(const build_context& at, const std::string& text);

/// Refuses when the object reads a column that the change drops, renames or gives another type: its text might not
/// fit.
[[nodiscard]] awaitable<void> require_same_columns(rebinding& what, std::string catalog_name,
                                                   catalog::bound_object object);
/// The same for an object that is tried on the shadow: another type is no reason.
[[nodiscard]] awaitable<void> require_same_names(rebinding& what, std::string catalog_name,
                                                 catalog::bound_object object);
/// The same for an object that follows new names as well.
[[nodiscard]] awaitable<void> require_none_dropped(rebinding& what, std::string catalog_name,
                                                   catalog::bound_object object);

/// Whether the object reads a column that the change drops, renames or gives another type.
[[nodiscard]] awaitable<bool> uses_changed_columns(rebinding& what, std::string catalog_name,
                                                   catalog::bound_object object);

/// What a step on another relation needs locked. Refuses what the current role does not own.
[[nodiscard]] awaitable<plan::swap_lock> lock_of(rebinding& what, qualified_name relation, std::string object);
/// Locks the view alone, without the tables that LOCK TABLE would lock with it.
[[nodiscard]] plan::swap_lock lock_view(const qualified_name& view, bool materialized);

/// Refuses rights that somebody else than the owner granted: only they can grant them again.
void require_own_grants(const rebinding& what, const std::string& name, const catalog::access_list& acl,
                        const std::string& owner);

/// Only a role that may create in the schema can be given a new object there, unless a superuser does it.
[[nodiscard]] awaitable<void> require_owner_may_create(rebinding& what, std::string name, std::string owner,
                                                       std::string schema);

/// Replacing a view, and even ALTER … SET SCHEMA to where it is, needs the right to create in its schema.
[[nodiscard]] awaitable<void> require_may_create(rebinding& what, std::string name, std::string schema);

[[noreturn]] void refuse_object(const rebinding& what, const std::string& name, const std::string& reason,
                                const std::string& hint);

[[nodiscard]] awaitable<void> rebind_views(rebinding& what);
[[nodiscard]] awaitable<void> rebind_materialized_views(rebinding& what);

/// A view as it was on the shadow for a moment.
struct tried_view {
    std::int64_t oid = 0;   ///< of the view on the shadow; it stays until the caller rolls back
    std::string on_shadow;  ///< its query there
    catalog::used_operators operators;
};

/// The view, plain or materialized, with its query as it must be tried on the shadow: bare names, new column names.
/// @throws error when it uses a column that is dropped, or belongs to somebody else
[[nodiscard]] awaitable<catalog::view> read_for_new_table(rebinding& what, std::int64_t oid, std::string name);
/// Tells which columns of the object, now `oid`, will have another type, as the one that was tried, `made`, has them.
[[nodiscard]] awaitable<void> tell_other_types(rebinding& what, std::string name, std::int64_t oid, std::int64_t made);

/// Every view that stands on one of `oids`, directly or not, after those it stands on, and those themselves: rows of
/// oid, relkind, schema, name (as pg_describe_object prints it).
[[nodiscard]] awaitable<pg::result> standing_on(build_context& at, std::vector<std::string> oids);

/// Makes the view on the shadow, under `name` in the job's schema.
[[nodiscard]] awaitable<tried_view> try_view(rebinding& what, const catalog::view& view, std::string label,
                                             std::string name);
[[nodiscard]] awaitable<void> rebind_function(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_policy(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_default(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_trigger(rebinding& what, catalog::bound_object object);
[[nodiscard]] awaitable<void> rebind_rule(rebinding& what, catalog::bound_object object);

}  // namespace pgeist::dependents
