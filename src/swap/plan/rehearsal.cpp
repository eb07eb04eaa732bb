#include <algorithm>
#include <memory>
#include <tuple>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/statements.hpp"
#include "pgeist/swap/plan/steps.hpp"
#include "pgeist/target/group.hpp"

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

/// One of the tables in a rehearsal.
struct part {
    explicit part(const rehearsed& whose)
        : of(&whose), home(whose.at->conn, whose.at->source, whose.at->change, whose.at->job_schema + "_home") {}

    const rehearsed* of;
    build_context home;
    catalog::table copy;
    catalog::table wanted;
    std::optional<build_context> played;
    plan::blueprint plan;
    std::vector<std::string> expected;
};

/// All that comes after the copy, in its order.
statements whole_exchange(const std::vector<std::unique_ptr<part>>& all_parts) {
    statements all;
    std::vector<plan::swap_plan> plans;
    for (const auto& each : all_parts) {
        const plan::blueprint& plan = each->plan;
        add_index(all, plan.key_index);
        for (const bool exclusive : {false, true}) {  // as the build does: attaching takes the oldest of equal ones
            for (const auto& index : plan.indexes) {
                if (index.exclusive == exclusive) {
                    add_index(all, index);
                }
            }
        }
        if (plan.key_index_is_temporary) {
            const qualified_name index{each->played->job_schema, plan.key_index.name};
            all.push_back({"the key's index", "DROP INDEX " + index.sql()});
        }
        plan::swap_plan swap = plan.swap;
        for (auto& step :
             plan::exchange_steps({each->copy.name, each->played->job_schema, each->played->passage_schema})) {
            swap.add(std::move(step));
        }
        plans.push_back(std::move(swap));
    }
    const plan::swap_plan swap = plan::merged(plans);
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

/// The copies of the sources, with what is around them.
awaitable<void> make_homes(const std::vector<std::unique_ptr<part>>& all) {
    std::vector<build_context*> homes;
    for (const auto& each : all) {
        each->home.event_triggers = each->of->at->event_triggers;
        co_await assemble(each->home);
        co_await open_home(each->home);
        homes.push_back(&each->home);
    }
    target::introduce(homes);
    for (const auto& each : all) {
        co_await add_foreign_keys(each->home);
        co_await join_parents(each->home);
        co_await make_owned_sequences(each->home);
    }
}

awaitable<void> read_copy(part& of) {
    const build_context& at = *of.of->at;
    of.copy = co_await catalog::read_definition(at.conn, of.home.shadow_oid);
    of.copy.acl = at.source.acl;  // what the owner gave up is taken away in the swap
    auto seen = *of.of->after;
    of.wanted = co_await among_stand_ins(of.home, at, std::move(seen));
    of.played.emplace(shadow_of_copy(at, of.home, of.copy));
    of.plan = *of.of->planned;
    of.plan.table = of.copy.name;
}

awaitable<void> plan_part(part& of) {
    co_await plan_swap(*of.played, of.wanted, of.plan);
    co_await plan_swap_objects(*of.played, of.wanted, of.plan);
    of.expected = expected_definition(*of.played, of.wanted);
    co_await plan_swap_parents(*of.played, of.wanted, of.plan);
}

}  // namespace

awaitable<void> rehearse_swap(std::vector<rehearsed> tables) {
    build_context& first = *tables.front().at;
    co_await begin_trial(first);
    std::vector<std::unique_ptr<part>> all;
    for (const rehearsed& each : tables) {
        all.push_back(std::make_unique<part>(each));
    }
    co_await make_homes(all);
    for (const auto& each : all) {
        co_await read_copy(*each);
    }
    for (const auto& each : all) {
        for (const auto& other : all) {
            if (each != other) {
                each->played->group.push_back(&*other->played);
            }
        }
    }
    for (const auto& each : all) {
        co_await plan_part(*each);
    }
    statements whole = whole_exchange(all);
    co_await try_statements(first, std::move(whole), fails);
    statements last;
    for (const auto& each : all) {
        const build_context& at = *each->of->at;
        catalog::table found = co_await catalog::read_definition(at.conn, at.shadow_oid);
        require_expected(at, each->expected, catalog::definition_in_swap(std::move(found)));
        last.push_back({"the old table", "DROP TABLE " + each->played->shadow.sql()});
    }
    co_await try_statements(first, std::move(last), "the run could not drop {} {}");
    co_await undo_trial(first);
}

}  // namespace pgeist::swap
