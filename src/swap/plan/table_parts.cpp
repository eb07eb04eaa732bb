#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/rights.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"
#include "pgeist/swap/plan/steps.hpp"

namespace pgeist::swap {

namespace {

std::string describe_key(const catalog::foreign_key& key) {
    return fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
}

/// What foreign keys need locked, by the OID of the table at their other end.
using key_locks = std::map<std::int64_t, plan::swap_lock>;

void add_locks(const key_locks& locks, const catalog::foreign_key& key, plan::swap_step& into) {
    for (const std::int64_t oid : {key.table_oid, key.referenced_oid}) {
        const auto found = locks.find(oid);
        if (found != locks.end()) {
            into.locks.push_back(found->second);
        }
    }
}

/// A key between two tables of a group is planned once, by the one that has it.
bool is_planned_by_other(const build_context& at, const catalog::foreign_key& key) {
    return target::in_group(at, key.table_oid) != nullptr;
}

void drop_old_foreign_keys(const build_context& at, const key_locks& locks, plan::blueprint& into) {
    for (const auto* keys : {&at.source.referenced_by, &at.source.foreign_keys}) {
        for (const auto& key : *keys) {
            if (is_planned_by_other(at, key)) {
                continue;
            }
            plan::swap_step& drop = into.swap.add(
                plan::stage::detach,
                {"drop " + describe_key(key),
                 fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", key.table.sql(), quote_identifier(key.name))});
            add_locks(locks, key, drop);
        }
    }
}

/// Adds a key NOT VALID, which reads no row under the lock; what was valid is validated after the swap.
void add_new_foreign_key(const build_context& at, const catalog::foreign_key& key, const key_locks& locks,
                         plan::blueprint& into) {
    const qualified_name& table = key.table_oid == at.shadow_oid ? at.source.name : key.table;
    const qualified_name& referenced = key.referenced_oid == at.shadow_oid ? at.source.name : key.referenced;
    for (auto& each : add_foreign_key(key, table, referenced, false)) {
        add_locks(locks, key, into.swap.add(plan::stage::attach, std::move(each)));
    }
    if (key.validated && key.enforced) {
        into.swap.add(plan::stage::finish,
                      {"validate " + describe_key(key),
                       fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", table.sql(), quote_identifier(key.name))});
    }
}

/// Finds rows that a key the user adds would refuse: known before the swap, not when it is too late to stop.
void plan_violation_query(const build_context& at, const catalog::foreign_key& key, const plan::key& walked,
                          plan::blueprint& into) {
    const bool is_new = std::none_of(at.source.foreign_keys.begin(), at.source.foreign_keys.end(),
                                     [&](const auto& old) { return old.name == key.name; });
    // With its triggers disabled rows may have come in that VALIDATE would not take.
    if ((!is_new && key.trigger_states.empty()) || !key.validated || !key.enforced) {
        return;
    }
    std::vector<std::string> not_null;
    std::vector<std::string> same;
    std::string period;
    for (std::size_t place = 0; place < key.columns.size(); ++place) {
        const std::string collate = key.collations[place].empty() ? "" : " COLLATE " + key.collations[place];
        const std::string own = "t." + quote_identifier(key.columns[place]);
        const std::string other = "r." + quote_identifier(key.referenced_columns[place]);
        const bool is_period = key.period && place + 1 == key.columns.size();
        not_null.push_back(own + " IS NOT NULL");
        same.push_back(
            fmt::format("{}{} {} {}{}", other, collate, is_period ? "&&" : key.operators[place], own, collate));
        // What is referred to must cover the period together, in one row or several.
        period = is_period ? fmt::format(" HAVING {} <@ range_agg({})", own, other) : "";
    }
    std::vector<std::string> shown;
    for (const auto& column : walked.columns) {
        shown.push_back(fmt::format("format('%s', t.{})", quote_identifier(column.write_name)));
    }
    const build_context* other = target::in_group(at, key.referenced_oid);
    const qualified_name& in_place = other != nullptr ? other->shadow : key.referenced;
    const qualified_name& referenced = key.self_reference() ? at.shadow : in_place;
    auto& queries = other != nullptr ? into.violations_between : into.violations;  // that shadow lags by itself
    queries.push_back(
        {"foreign key " + display_identifier(key.name),
         fmt::format("SELECT {} FROM {} AS t WHERE {} AND NOT EXISTS (SELECT FROM {} AS r WHERE {}{}) LIMIT 5",
                     join(shown, " || ', ' || "), at.shadow.sql(), join(not_null, " AND "), referenced.sql(),
                     join(same, " AND "), period)});
}

/// A new key is looked at before the swap, by a query that needs more than the right to refer to the other table.
awaitable<void> require_readable(build_context& at, const catalog::foreign_key& key) {
    if (key.self_reference()) {
        co_return;
    }
    const auto row = co_await at.conn.query(
        "SELECT bool_and(has_column_privilege($1::bigint::oid, c, 'SELECT')) FROM unnest($2::text[]) AS c",
        key.referenced_oid, pg::array_literal(key.referenced_columns));
    if (!row.boolean(0, 0)) {
        throw error(
            exit_code::refused,
            fmt::format("foreign key {} needs the right SELECT on {}: rows that violate it are looked for before "
                        "the swap",
                        display_identifier(key.name), key.referenced.display()),
            fmt::format("GRANT SELECT ON {} TO {}", key.referenced.sql(), quote_identifier(at.conn.user())));
    }
}

/// LOCK TABLE needs a right to write; who may only refer to a table locks it by doing so. Adding a key takes SHARE ROW
/// EXCLUSIVE, dropping it ACCESS EXCLUSIVE.
std::string lock_by_reference(const build_context& at, const catalog::foreign_key& key) {
    const std::string referrer = qualified_name{at.passage_schema, fmt::format("pgeist_{}", key.referenced_oid)}.sql();
    std::vector<std::string> columns;
    std::vector<std::string> names;
    std::vector<std::string> referenced;
    for (std::size_t place = 0; place < key.columns.size(); ++place) {
        const auto* column = at.source.find_column(key.columns[place]);
        names.push_back(fmt::format("c{}", place + 1));
        columns.push_back(fmt::format("{} {}{}", names.back(), column->type,
                                      column->collation.empty() ? "" : " COLLATE " + column->collation));
        const bool period = key.period && place + 1 == key.columns.size();
        names.back().insert(0, period ? "PERIOD " : "");
        referenced.push_back((period ? "PERIOD " : "") + quote_identifier(key.referenced_columns[place]));
    }
    return fmt::format("CREATE TABLE {0} ({1}, FOREIGN KEY ({2}) REFERENCES {3} ({4})); DROP TABLE {0}", referrer,
                       join(columns, ", "), join(names, ", "), key.referenced.sql(), join(referenced, ", "));
}

/// Dropping and adding a foreign key locks both ends.
awaitable<key_locks> locks_of_keys(build_context& at, const catalog::table& after) {
    key_locks locks;
    for (const auto& key : at.source.foreign_keys) {
        if (key.referenced_oid == at.source.oid || locks.count(key.referenced_oid) > 0) {
            continue;
        }
        plan::swap_lock lock{plan::lock_way::table, key.referenced, ""};
        const bool lockable = co_await may_lock(at.conn, key.referenced);
        if (!lockable) {
            lock.by = plan::lock_way::by_reference;
            lock.sql = lock_by_reference(at, key);
        }
        locks.emplace(key.referenced_oid, std::move(lock));
    }
    for (const auto* keys : {&at.source.referenced_by, &after.foreign_keys, &after.referenced_by}) {
        for (const auto& key : *keys) {
            locks.emplace(key.table_oid, plan::swap_lock{plan::lock_way::table, key.table, ""});
            locks.emplace(key.referenced_oid, plan::swap_lock{plan::lock_way::table, key.referenced, ""});
        }
    }
    locks.erase(at.source.oid);
    locks.erase(at.shadow_oid);
    co_return locks;
}

awaitable<void> plan_foreign_keys(build_context& at, const catalog::table& after, plan::blueprint& into) {
    const key_locks locks = co_await locks_of_keys(at, after);
    drop_old_foreign_keys(at, locks, into);
    for (const auto& key : after.foreign_keys) {
        const std::size_t before = into.violations.size();
        plan_violation_query(at, key, into.key, into);
        if (into.violations.size() > before) {
            co_await require_readable(at, key);
        }
    }
    for (const auto* keys : {&after.foreign_keys, &after.referenced_by}) {
        for (const auto& key : *keys) {
            if (is_planned_by_other(at, key)) {
                continue;
            }
            add_new_foreign_key(at, key, locks, into);
        }
    }
}

int width_of(const std::string& type) {
    return type == "smallint" ? 2 : type == "integer" ? 4 : type == "bigint" ? 8 : 0;
}

// What else draws from a sequence that goes with a dropped column.
constexpr const char* sequence_users_sql = R"(
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype IN ('n', 'a')
       AND NOT EXISTS (SELECT FROM pg_attrdef f WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
                                                  AND (f.adrelid = $4 OR (f.adrelid = $2 AND f.adnum = $3)))
     ORDER BY 1 LIMIT 1)";

awaitable<void> require_unused(build_context& at, const catalog::sequence& sequence) {
    const auto rows =
        co_await at.conn.query(sequence_users_sql, sequence.oid, at.source.oid, sequence.column, at.shadow_oid);
    if (!rows.empty()) {
        throw error(exit_code::refused,
                    fmt::format("column {} of {} cannot be dropped: {} depends on its sequence {}",
                                display_identifier(at.source.find_column(sequence.column)->name),
                                at.source.name.display(), rows.view(0, 0), sequence.name.display()),
                    fmt::format("ALTER SEQUENCE {} OWNED BY NONE first, and it stays", sequence.name.display()));
    }
}

std::string limits_of(const catalog::sequence& was) {
    return fmt::format(" AS {} MINVALUE {} MAXVALUE {}", was.type, was.minimum, was.maximum);
}

/// With a table that comes back its sequence gets the limits again that it had there. @returns the clauses for ALTER
awaitable<std::string> former_limits(build_context& at, const catalog::sequence& sequence,
                                     const catalog::table& after) {
    std::string clauses;
    for (const auto& was : after.sequences) {
        const bool changed =
            was.type != sequence.type || was.minimum != sequence.minimum || was.maximum != sequence.maximum;
        if (!at.adopted || was.oid != sequence.oid || !changed) {
            continue;
        }
        const auto row = co_await at.conn.query(fmt::format("SELECT last_value FROM {}", sequence.name.sql()));
        const std::int64_t last = row.integer(0, 0);
        if (last > was.maximum || last < was.minimum) {
            throw error(exit_code::refused,
                        fmt::format("sequence {} stands at {}, and {} goes from {} to {} only", sequence.name.display(),
                                    last, was.type, was.minimum, was.maximum),
                        "what it has handed out already does not go back");
        }
        clauses = limits_of(was);
    }
    co_return clauses;
}

/// A sequence OWNED BY a column stays the same object and changes hands. When the column became wider, so does the
/// sequence: an integer sequence under a bigint column would stop at 2^31-1.
awaitable<void> move_owned_sequence(build_context& at, const catalog::sequence& sequence, const catalog::table& after,
                                    plan::blueprint& into) {
    const auto* source = at.source.find_column(sequence.column);
    const catalog::column* kept = kept_column(at, after, sequence.column);
    if (kept == nullptr) {
        co_await require_unused(at, sequence);
        co_return;  // it goes with the old table
    }
    const std::string label = "sequence " + display_identifier(sequence.name.name);
    const std::string alter = fmt::format("ALTER SEQUENCE {}", sequence.name.sql());
    into.swap.add(plan::stage::detach, {label, alter + " OWNED BY NONE"});
    if (after.owner != at.source.owner) {
        into.swap.add(plan::stage::detach,
                      {label, fmt::format("{} OWNER TO {}", alter, quote_identifier(after.owner))});
    }
    const bool widened = kept->type != source->type && width_of(kept->type) > width_of(sequence.type);
    std::string limits = widened ? " AS " + kept->type : "";
    if (at.adopted) {
        limits = co_await former_limits(at, sequence, after);
    }
    into.swap.add(plan::stage::attach, {label, fmt::format("{}{} OWNED BY {}.{}", alter, limits, at.source.name.sql(),
                                                           quote_identifier(kept->name))});
}

// Columns of the source whose default draws from a sequence that a column owns.
constexpr const char* sequence_defaults_sql = R"(
    SELECT DISTINCT a.attname FROM pg_attrdef d
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid AND u.refclassid = 'pg_class'::regclass
      JOIN pg_class s ON s.oid = u.refobjid AND s.relkind = 'S'
      JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.deptype = 'a'
       AND o.refclassid = 'pg_class'::regclass AND o.refobjid = d.adrelid
     WHERE d.adrelid = $1 ORDER BY a.attname)";

/// A sequence that the user restarted in the ALTER keeps that; any other goes on where the old table's stood.
constexpr const char* untouched_sql = "SELECT NOT is_called AND last_value = {} FROM {}";

awaitable<void> require_in_range(build_context& at, const catalog::sequence& old, const catalog::sequence& made) {
    const auto row = co_await at.conn.query(fmt::format("SELECT last_value FROM {}", old.name.sql()));
    const std::int64_t last = row.integer(0, 0);
    if (last < made.minimum || last > made.maximum) {
        throw error(exit_code::refused,
                    fmt::format("the identity of {} stands at {}, and the new one goes from {} to {} only",
                                at.source.name.display(), last, made.minimum, made.maximum),
                    "restart it in the ALTER: ALTER COLUMN … RESTART WITH …");
    }
}

/// An identity's sequence is made anew with the table.
awaitable<void> carry_identity_on(build_context& at, const catalog::sequence& made, const catalog::sequence& old,
                                  plan::blueprint& into) {
    if (at.adopted) {  // when its table left it was given an end
        const qualified_name home{at.source.name.schema, made.name.name};
        into.swap.add(plan::stage::attach,
                      {"sequence " + display_identifier(made.name.name),
                       fmt::format("ALTER SEQUENCE {}{} START WITH {} {} RESTART", home.sql(), limits_of(made),
                                   made.start, made.cycle ? "CYCLE" : "NO CYCLE")});
        co_await require_in_range(at, old, made);
        into.swap.add(plan::stage::attach, go_on_with_numbers(at, old, made));
        co_return;
    }
    const auto untouched = co_await at.conn.query(fmt::format(untouched_sql, old.start, made.name.sql()));
    if (!untouched.boolean(0, 0)) {
        into.swap.add(plan::stage::attach, end_numbers(at, old));
        co_return;
    }
    co_await require_in_range(at, old, made);
    into.swap.add(plan::stage::attach, go_on_with_numbers(at, old, made));
}

/// The sequence of the shadow that was made for the source's identity sequence `old`, if it is still there.
const catalog::sequence* made_for(const build_context& at, const catalog::table& after, const catalog::sequence& old) {
    for (const auto& made : after.sequences) {
        const auto from = at.source_attnums.find(made.column);
        if (at.identity_sequences.count(made.oid) > 0 && from != at.source_attnums.end() &&
            from->second == old.column) {
            return &made;
        }
    }
    return nullptr;
}

/// Whether an index tells the column's last value.
bool leads_an_index(const catalog::table& of, int column) {
    return std::any_of(of.indexes.begin(), of.indexes.end(), [&](const catalog::index& each) {
        return each.valid && each.method == "btree" && !each.predicate && !each.columns.empty() &&
               each.columns.front().attnum == column;
    });
}

/// Those that the table in use has not.
void plan_identities_that_come_back(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    for (const auto& made : after.sequences) {
        const auto* column = after.find_column(made.column);
        const bool goes_on = std::any_of(at.source.sequences.begin(), at.source.sequences.end(), [&](const auto& old) {
            return old.identity && made_for(at, after, old) == &made;
        });
        if (made.identity && column != nullptr && !goes_on) {
            into.swap.add(plan::stage::attach,
                          bring_numbers_back(at, made, column->name, leads_an_index(after, column->attnum)));
        }
    }
}

awaitable<void> plan_sequences(build_context& at, const catalog::table& after, plan::blueprint& into) {
    for (const auto& sequence : at.source.sequences) {
        if (!sequence.identity) {
            co_await move_owned_sequence(at, sequence, after, into);
        }
    }
    const auto defaults = co_await at.conn.query(sequence_defaults_sql, at.source.oid);
    for (int row = 0; row < defaults.rows(); ++row) {
        // Without this the old table would keep the sequence from being dropped with the new one.
        into.swap.add(plan::stage::detach,
                      {"the old table's default of " + defaults.text(row, 0),
                       fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", at.source.name.sql(),
                                   quote_identifier(defaults.view(row, 0)))});
    }
    for (const auto& old : at.source.sequences) {
        const auto* made = old.identity ? made_for(at, after, old) : nullptr;
        if (made != nullptr) {
            co_await carry_identity_on(at, *made, old, into);
        } else if (old.identity && kept_column(at, after, old.column) != nullptr) {
            into.swap.add(plan::stage::attach, end_numbers(at, old));
        }  // else: nobody can write such a number into the table any more
    }
    if (at.adopted) {
        plan_identities_that_come_back(at, after, into);
    }
}

/// A row of the source that no longer meets a NOT VALID constraint may be copied and replayed at any time before the
/// swap, so the constraint comes with the swap.
void plan_not_valid_constraints(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    for (const auto& each : after.constraints) {
        if ((each.type == 'c' || each.type == 'n') && !each.validated && each.enforced) {
            for (auto& statement : add_constraint(each, at.source.name)) {
                into.swap.add(plan::stage::attach, std::move(statement));
            }
        }
    }
}

void plan_triggers(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    for (const auto& each : after.triggers) {
        for (auto& statement : create_trigger(after, each, at.source.name)) {
            into.swap.add(plan::stage::attach, std::move(statement));
        }
    }
}

/// Rights that the owner gave up on the source; the shadow could not have been filled without them.
void plan_owner_rights(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    if (after.owner != at.source.owner) {
        return;
    }
    into.swap.add_all(plan::stage::attach, change_rights("TABLE " + at.source.name.sql(), "", at.source.acl, after.acl,
                                                         at.source.owner, true));
}

}  // namespace

awaitable<void> plan_swap(build_context& at, const catalog::table& after, plan::blueprint& into) {
    co_await plan_foreign_keys(at, after, into);
    co_await plan_sequences(at, after, into);
    plan_not_valid_constraints(at, after, into);
    plan_triggers(at, after, into);
    plan_owner_rights(at, after, into);
}

}  // namespace pgeist::swap
