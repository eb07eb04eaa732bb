#include "pgeist/probe/combine.hpp"

#include <algorithm>

#include "pgeist/probe/estimate.hpp"

namespace pgeist::probe {

namespace {

using ddl::clause_kind;
using ddl::statement_kind;

bool is(const std::string& state, std::initializer_list<const char*> states) {
    return std::any_of(states.begin(), states.end(), [&](const char* each) { return state == each; });
}

/// Whether the one thing that an ALTER asks for has been done under the new name already.
bool renamed_already(const ddl::statement& what, const ddl::clause& each, const schema& before) {
    if (each.kind == clause_kind::rename_column) {
        const known_relation* table = before.find(before.name_of(what.relation));
        return table != nullptr && table->columns.contains(each.new_name) && !table->columns.contains(each.name);
    }
    const std::string old = before.name_of(what.relation);
    return each.kind == clause_kind::rename && before.find(old) == nullptr &&
           before.find(before.beside(old, each.new_name)) != nullptr;
}

/// Whether it fails for no other reason than that its result is there.
bool done_already(const ddl::statement& what, const failure& why, const schema& before) {
    const std::string& state = why.sqlstate;
    if (what.kind == statement_kind::create_index && what.made_index) {
        return state == "42P07" && before.has_index_of(what);
    }
    if (what.kind == statement_kind::alter_table) {
        if (what.clauses.size() != 1) {
            return false;
        }
        const ddl::clause& each = what.clauses.front();
        if (each.kind == clause_kind::add_column || each.kind == clause_kind::add_constraint) {
            return is(state, {"42701", "42710", "42P07"});
        }
        if (each.kind == clause_kind::drop_column || each.kind == clause_kind::drop_constraint) {
            return is(state, {"42703", "42704"});
        }
        return is(state, {"42703", "42P01"}) && renamed_already(what, each, before);
    }
    if (what.kind == statement_kind::drop) {
        return is(state, {"42P01", "42704"});
    }
    return is(state, {"42P07", "42710", "42P06", "42723"});
}

void bear_out(effect& clause, const effect& whole) {
    const auto keep = [](std::vector<std::string>& of, const std::vector<std::string>& only) {
        std::erase_if(of,
                      [&](const std::string& each) { return std::find(only.begin(), only.end(), each) == only.end(); });
    };
    keep(clause.rewrites, whole.rewrites);
    keep(clause.scans, whole.scans);
    keep(clause.builds, whole.builds);
    clause.assumptions.clear();
    if (!whole.fails) {
        clause.fails.reset();
    }
}

/// Fails because of rows, of which stand-ins have none: a new column that is NOT NULL and has no default.
const effect* failing_for_rows(const ddl::statement& what, const static_answer& by_rules, const schema& before) {
    const known_relation* table = before.find(before.name_of(what.relation));
    const bool empty = table != nullptr && table->size && table->size->bytes == 0;
    const auto found = std::find_if(by_rules.clauses.begin(), by_rules.clauses.end(),
                                    [](const effect& each) { return each.fails && each.fails->sqlstate == "23502"; });
    return empty || found == by_rules.clauses.end() ? nullptr : &*found;
}

effect of_server(const ddl::statement& what, static_answer& by_rules, const server_answer& said, const schema& before) {
    effect made = *said.tried;
    if (const effect* clause = failing_for_rows(what, by_rules, before); clause != nullptr && !made.fails) {
        made.fails = clause->fails;
    }
    for (const std::string& each : said.locked_before) {
        const auto& locks = by_rules.whole.locks;
        const auto known =
            std::find_if(locks.begin(), locks.end(), [&](const relation_lock& lock) { return lock.relation == each; });
        if (known != locks.end()) {
            made.lock(known->relation, known->mode, known->kind);
        }
    }
    made.transaction = by_rules.whole.transaction;
    for (const dependent& each : by_rules.whole.dependents) {  // why there is work, only the rules say
        const bool why =
            (each.kind == "check" && !made.scans.empty()) ||
            (each.kind == "index" && std::find(made.builds.begin(), made.builds.end(), each.name) != made.builds.end());
        if (why && std::find(made.dependents.begin(), made.dependents.end(), each) == made.dependents.end()) {
            made.dependents.push_back(each);
        }
    }
    for (effect& clause : by_rules.clauses) {
        bear_out(clause, made);
    }
    return made;
}

}  // namespace

effect combine(const ddl::statement& what, static_answer& by_rules, const server_answer& said, const schema& before) {
    effect made = by_rules.whole;
    if (said.tried) {
        made = of_server(what, by_rules, said, before);
    } else {
        made.source = evidence::catalog;
        if (made.fails && made.fails->sqlstate == "23502" && failing_for_rows(what, by_rules, before) == nullptr) {
            made.fails.reset();
        }
        if (said.fails && !made.fails) {
            made.fails = said.fails;
        }
    }
    if (made.fails && done_already(what, *made.fails, before)) {
        made.needless = true;
    }
    if (what.kind == statement_kind::create_index && by_rules.whole.fails &&
        by_rules.whole.fails->sqlstate == "42P07") {
        // Of what has that name the server says no more than that it is there.
        made.fails = by_rules.whole.fails;
        made.needless = false;
    }
    estimate(made, what, before);
    return made;
}

}  // namespace pgeist::probe
