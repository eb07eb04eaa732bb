#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/statements.hpp"
#include "pgeist/swap/plan/steps.hpp"

// The swap's statements are planned once more, by the same functions, for a world in which nothing is anybody's: an
// empty copy of the source, made as the shadow was, in a schema that gives everybody the rights they have in the
// source's own. There they are run. What they would say after hours of copying they say now.
namespace pgeist::swap {

namespace {

constexpr const char* fails = "the swap of {1} would fail at {0}";

/// Those who may use or create in the source's schema may do so in the copy's.
constexpr const char* rights_sql = R"(
    SELECT x.privilege_type, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
      FROM pg_namespace n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS x
     WHERE n.nspname = $1)";

awaitable<void> open_home(build_context& home) {
    const auto rows = co_await home.conn.query(rights_sql, home.source.name.schema);
    statements all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back({"rights", fmt::format("GRANT {} ON SCHEMA {} TO {}", rows.view(row, 0),
                                             quote_identifier(home.job_schema), rows.view(row, 1))});
    }
    co_await try_statements(home, std::move(all), fails);
}

/// A sequence in the place of each that a column of the source owns.
awaitable<void> make_owned_sequences(build_context& home) {
    statements all;
    int number = 0;
    for (const auto& sequence : home.source.sequences) {
        const auto* column = home.source.find_column(sequence.column);
        if (sequence.identity || column == nullptr) {
            continue;
        }
        const std::string label = "sequence " + display_identifier(sequence.name.name);
        const std::string name = qualified_name{home.job_schema, fmt::format("pgeist_{}", ++number)}.sql();
        const std::string owned = quote_identifier(column->name);
        all.push_back({label, fmt::format("CREATE SEQUENCE {} AS {}", name, sequence.type)});
        all.push_back({label, fmt::format("ALTER SEQUENCE {} OWNER TO {}", name, quote_identifier(home.source.owner))});
        all.push_back({label, fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", name, home.shadow.sql(), owned)});
        if (column->default_expression.value_or("").rfind("nextval(", 0) == 0) {
            all.push_back({label, fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval({})",
                                              home.shadow.sql(), owned, quote_literal(name))});
        }
    }
    co_await try_statements(home, std::move(all), fails);
}

/// `key`, read with the names of real tables, as it is between the copy of the source and its stand-ins.
awaitable<void> lead_to_stand_ins(build_context& home, catalog::foreign_key& key, std::int64_t shadow_oid) {
    if (key.table_oid != shadow_oid) {
        const auto other = co_await stand_in_for(home, key.table_oid);
        key.table_oid = other.oid;
        key.table = other.name;
    } else {
        key.table = home.shadow;
    }
    if (key.referenced_oid != shadow_oid) {
        const auto other = co_await stand_in_for(home, key.referenced_oid);
        key.referenced_oid = other.oid;
        key.referenced = other.name;
    } else {
        key.referenced = home.shadow;
    }
}

/// The shadow's definition as it is to be in the place of the copy.
awaitable<catalog::table> among_stand_ins(build_context& home, const build_context& at, catalog::table after) {
    for (auto* keys : {&after.foreign_keys, &after.referenced_by, &after.inherited_foreign_keys}) {
        for (auto& key : *keys) {
            co_await lead_to_stand_ins(home, key, at.shadow_oid);
        }
    }
    for (auto& parent : after.inherits) {
        for (const auto& each : home.parents) {
            if (each.real_oid == parent.oid) {
                parent.oid = each.oid;
                parent.name = each.name;
            }
        }
    }
    co_return after;
}

/// The shadow, seen as that of the copy.
build_context shadow_of_copy(const build_context& at, const build_context& home, const catalog::table& copy) {
    build_context played(at.conn, copy, at.change, at.job_schema);
    played.shadow_oid = at.shadow_oid;
    played.way_back = at.way_back;
    played.parents = at.parents;
    played.values = at.values;
    played.identity_sequences = at.identity_sequences;
    played.event_triggers = at.event_triggers;
    for (const auto& [shadow, source] : at.source_attnums) {
        for (const auto& [place, from] : home.source_attnums) {
            if (from == source) {
                played.source_attnums[shadow] = place;
            }
        }
    }
    return played;
}

void add(statements& into, const std::vector<plan::statement>& more) {
    into.insert(into.end(), more.begin(), more.end());
}

void add_index(statements& into, const plan::index& each) {
    if (!each.create_sql.empty()) {
        into.push_back({"index " + display_identifier(each.name), each.create_sql});
    }
    add(into, each.after);
}

/// All that comes after the copy, in its order; at last what is left is dropped, as by --drop-old or cleanup.
statements whole_exchange(const build_context& played, const plan::blueprint& plan) {
    statements all;
    add_index(all, plan.key_index);
    for (const bool exclusive : {false, true}) {  // as the build does: attaching takes the oldest of equal ones
        for (const auto& each : plan.indexes) {
            if (each.exclusive == exclusive) {
                add_index(all, each);
            }
        }
    }
    if (plan.key_index_is_temporary) {
        all.push_back(
            {"the key's index", "DROP INDEX " + qualified_name{played.job_schema, plan.key_index.name}.sql()});
    }
    plan::swap_plan swap = plan.swap;
    for (auto& each : plan::exchange_steps({played.source.name, played.job_schema, played.passage_schema})) {
        swap.add(std::move(each));
    }
    for (const auto when : plan::stages_under_locks) {
        add(all, swap.statements(when));
    }
    add(all, swap.statements(plan::stage::finish));
    return all;
}

void require_expected(const build_context& at, const std::vector<std::string>& expected,
                      const std::vector<std::string>& found) {
    std::vector<std::string> differences;
    for (const auto& [prefix, left, right] :
         {std::tuple{"missing ", &expected, &found}, std::tuple{"unexpected ", &found, &expected}}) {
        for (const auto& line : *left) {
            if (!std::binary_search(right->begin(), right->end(), line)) {
                differences.push_back(prefix + line);
            }
        }
    }
    if (!differences.empty()) {
        throw error(exit_code::refused,
                    fmt::format("the new {} would not be what was planned: {}", at.source.name.display(),
                                in_user_words(at, join(differences, "; "))),
                    "please report this; a part of the change that is made by itself may do");
    }
}

}  // namespace

awaitable<void> rehearse_swap(build_context& at, const catalog::table& after, const plan::blueprint& planned) {
    co_await begin_trial(at);
    build_context home(at.conn, at.source, at.change, at.job_schema + "_home");
    home.event_triggers = at.event_triggers;
    co_await assemble(home);
    co_await open_home(home);
    co_await add_foreign_keys(home);
    co_await join_parents(home);
    co_await make_owned_sequences(home);
    catalog::table copy = co_await catalog::read_definition(at.conn, home.shadow_oid);
    copy.acl = at.source.acl;  // what the owner gave up is taken away in the swap
    auto seen = after;
    const catalog::table wanted = co_await among_stand_ins(home, at, std::move(seen));

    build_context played = shadow_of_copy(at, home, copy);
    plan::blueprint plan = planned;
    plan.table = copy.name;
    co_await plan_swap(played, wanted, plan);
    co_await plan_swap_objects(played, wanted, plan);
    const auto expected = expected_definition(played, wanted);
    co_await plan_swap_parents(played, wanted, plan);
    statements all = whole_exchange(played, plan);
    co_await try_statements(at, std::move(all), fails);
    catalog::table found = co_await catalog::read_definition(at.conn, at.shadow_oid);
    require_expected(at, expected, catalog::definition_in_swap(std::move(found)));
    statements last;
    last.push_back({"the old table", "DROP TABLE " + played.shadow.sql()});
    co_await try_statements(at, std::move(last), "the run could not drop {} {}");
    co_await undo_trial(at);
}

}  // namespace pgeist::swap
