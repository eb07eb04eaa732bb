#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/led_text.hpp"
#include "pgeist/sql/statements.hpp"

namespace pgeist::target {

using namespace sql;  // its builders are this room's words

/// Where the rows of a shadow column get their value from.
struct column_value {
    std::optional<std::string> expression;  ///< over the source's columns; nullopt: default of each row, or generated
    std::set<std::string> reads;            ///< the source columns in it
    std::string type;                       ///< what the expression gives, when it is known; empty otherwise
    bool plain = false;                     ///< the source column itself
    bool compared = true;
    std::string literal;  ///< a bare literal of the user's; what it means depends on the type it goes into
    std::string note;     ///< for humans, when there is more to say than the types
};

/// An empty table that stands for a real one at the other end of a foreign key, so that a clause on the shadow meets
/// the constraint without anything being locked or enforced on the user's table.
struct stand_in {
    std::int64_t real_oid = 0;
    qualified_name real;
    std::int64_t oid = 0;
    qualified_name name;
    bool in_group = false;  ///< the shadow of another table of the group: made, and dropped, by that one's steps
};

/// An event trigger that is fired by what pgeist does.
struct event_trigger {
    std::string name;
    std::string event;
    std::string function;  ///< without its schema
};

/// The place where a shadow is built: what the steps of rewrite::make_blueprint() share. Lives as long as
/// rewrite::make_blueprint() runs.
struct build_context {
    /// `schema`: where the shadow is made, and whose name with `_old` is that of the passage schema.
    build_context(pg::connection& connection, const catalog::table& table, const plan::change_request& request,
                  std::string schema);

    pg::connection& conn;
    const catalog::table& source;
    const plan::change_request& change;
    /// Functions of the user's find what they name by the search_path that the change was planned with, as in a plain
    /// UPDATE; else a copy is refused where the first rows say that they find nothing.
    bool keeps_path = false;
    bool way_back = false;  ///< there is to be one: the new table must have an index, not deferrable, of the walked key
    std::string job_schema;
    std::string passage_schema;
    qualified_name shadow;
    std::int64_t shadow_oid = 0;
    /// The shadow was not made for this: it is a table that was in use before, has rows, and comes back.
    bool adopted = false;
    std::vector<plan::led_text> texts_before;  ///< of what stood where the table that comes back was in use
    std::vector<plan::led_text> texts_now;     ///< of what stands there now, noted for the way back
    std::vector<stand_in> stand_ins;
    /// The other tables that change places in the same transaction; empty: this one does it alone.
    std::vector<build_context*> group;
    bool retypes = false;                        ///< a column of this one gets another type or collation
    bool changes_columns = false;                ///< that, or a column gets another name or is dropped
    std::map<std::string, std::string> renamed;  ///< columns that get another name: the new one by the old
    /// Objects elsewhere that another table of the group leads over, by kind and OID: what is tied to several of them
    /// is led over once.
    std::set<std::string> led_by_others;
    std::vector<catalog::bound_object> led_for_others;  ///< views of theirs that this one leads over
    std::vector<stand_in> parents;       ///< empty tables in the place of the source's parents, in the same order
    std::string own_bound;               ///< the partition constraint that the parent's key alone gives; empty: none
    std::map<int, column_value> values;  ///< by attnum of the shadow
    std::map<int, int> source_attnums;   ///< of the shadow's columns that were made from one, by attnum of the shadow
    std::set<std::int64_t> identity_sequences;  ///< of the shadow, made for the source's
    std::size_t value_functions = 0;            ///< made for expressions so far
    /// Drops the functions of expressions, after the swap; or when there is no way back any more, which uses them too.
    std::vector<plan::statement> finish;
    std::vector<event_trigger> event_triggers;
    std::vector<std::string> warnings;
    std::string differences;  ///< between a column that is there and a clause that would add it; empty: none are known
    std::vector<plan::statement> made;  ///< what run_statements() has run
};

/// The table of the group with this OID, other than `at`'s own; nullptr: it is none of them.
[[nodiscard]] const build_context* in_group(const build_context& at, std::int64_t real_oid);

/// Runs `statements`; a failure becomes an error with exit code `refused` that names the statement's label.
[[nodiscard]] awaitable<void> run_statements(build_context& at, std::vector<plan::statement> statements);
/// The same for statements that are only tried: what `fails` if they fail is a format with places for the label and the
/// table.
[[nodiscard]] awaitable<void> try_statements(build_context& at, std::vector<plan::statement> statements,
                                             std::string fails);

/// Fills in `event_triggers`.
[[nodiscard]] awaitable<void> read_event_triggers(build_context& at);
/// What to do about a statement that failed: the server's own hint, or what is known of the event trigger that said no.
[[nodiscard]] std::string hint_for(const build_context& at, const pg::sql_error& problem);
/// The event triggers that may have changed what pgeist made, and what to do about them; empty when there are none.
[[nodiscard]] std::string suspects(const build_context& at);

/// What is done between the two is a trial: undo_trial() takes back all of it. Trials may contain others.
[[nodiscard]] awaitable<void> begin_trial(build_context& at);
[[nodiscard]] awaitable<void> undo_trial(build_context& at);

/// Runs one query of ours and returns its only value as a number.
[[nodiscard]] awaitable<std::int64_t> table_oid(pg::connection& conn, qualified_name name);

/// Where names are led elsewhere: in literals that name an object alone, or in all of a text.
enum class names_in { literals, text };
/// `text`, printed by the server, with schema `from` (and its dot) called `to`. Values, and other names, stay what they
/// are.
[[nodiscard]] std::string renamed_schema(const std::string& text, const std::string& from, const std::string& to,
                                         names_in where);

/// A default of the shadow's as the server will print it when the table is in the source's place: `nextval('…')` of a
/// sequence that moves with it.
[[nodiscard]] std::string moved_literals(const build_context& at, const std::string& text);

/// Turns what the server says about something on the shadow into words about the user's table: job schemas are left
/// out.
[[nodiscard]] std::string in_user_words(const build_context& at, const std::string& message);

/// Reads definitions of one object; every name in them comes back qualified.
[[nodiscard]] awaitable<pg::result> read_definition(build_context& at, std::string sql, std::int64_t oid);

/// The path with the schemas after it: for reading text whose operators are found there.
[[nodiscard]] std::string with_schemas(const std::string& path, const catalog::operator_schemas& schemas);

}  // namespace pgeist::target
