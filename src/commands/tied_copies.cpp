#include "tied_copies.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/references/survey.hpp"

namespace pgeist::commands {

namespace {

bool is_copy(const steps::step& each) { return each.how == steps::method::copy; }

steps::copied_table stored(const plan::group_member& member) { return {plan::to_json(member.change), member.because}; }

/// A foreign key between two tables, by their names as displayed.
struct tie {
    std::string from;
    std::string to;
    std::string constraint;
    std::string definition;  ///< empty: it is only to be
};

// Relations as steps name them: each part quoted where SQL needs it.
constexpr const char* oids_sql = R"sql(
    SELECT coalesce(to_regclass(name)::oid::bigint, 0) AS oid FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place)
     ORDER BY place)sql";

awaitable<std::vector<tie>> ties_among(pg::connection& session, std::vector<std::string> tables) {
    const std::string names = pg::array_literal(tables);
    const pg::result rows = co_await session.query(oids_sql, names);
    std::map<std::int64_t, std::string> name_of;
    std::vector<std::int64_t> oids;
    for (int row = 0; row < rows.rows(); ++row) {
        oids.push_back(rows.integer(row, "oid"));
        name_of[oids.back()] = tables[static_cast<std::size_t>(row)];
    }
    const std::vector<references::tie> found = co_await references::find_ties(session, oids);
    std::vector<tie> all;
    for (const references::tie& each : found) {
        all.push_back({name_of[each.one], name_of[each.other], each.constraint, each.definition});
    }
    co_return all;
}

/// Whether the statements of the file before this line leave the constraint dropped.
bool is_dropped_before(const plan::migration_file& file, std::size_t line, const tie& which) {
    const qualified_name table = parse_qualified_name(which.from);
    bool dropped = false;
    for (const plan::file_statement& each : file.statements) {
        const qualified_name& of = each.what.relation;
        if (each.line() >= line || of.name != table.name || (!of.schema.empty() && of.schema != table.schema)) {
            continue;
        }
        for (const ddl::clause& clause : each.what.clauses) {
            if (clause.kind == ddl::clause_kind::drop_constraint && clause.name == which.constraint) {
                dropped = true;
            } else if (clause.made && clause.made->name == which.constraint) {
                dropped = false;
            }
        }
    }
    return dropped;
}

/// The tables that a statement's new foreign keys refer to.
std::vector<qualified_name> referred_to(const std::string& statement) {
    std::vector<qualified_name> all;
    const ddl::statement what = ddl::understand(statement);
    for (const ddl::clause& each : what.clauses) {
        if (each.made && each.made->kind == ddl::constraint_kind::foreign_key) {
            all.push_back(each.made->references);
        }
        const ddl::constraint* inside = each.added ? each.added->find(ddl::constraint_kind::foreign_key) : nullptr;
        if (inside != nullptr) {
            all.push_back(inside->references);
        }
    }
    return all;
}

awaitable<void> find_name(pg::connection& session, const qualified_name& table, std::string& into) {
    const auto found = co_await catalog::find_table(session, table);
    if (found) {
        into = ddl::sql_name(found->name);
    }
}

/// Empty: there is no such table.
awaitable<std::string> display_of(pg::connection& session, const qualified_name& table) {
    std::string name;
    const auto finding = [&] { return find_name(session, table, name); };
    co_await pg::rolled_back(session, finding);
    co_return name;
}

/// Those of a run of copies, by the places of the steps.
struct run_of_copies {
    std::vector<std::size_t> steps;
    std::vector<std::string> tables;  ///< each once
};

run_of_copies run_from(const std::vector<steps::step>& all, std::size_t begin, bool anywhere) {
    run_of_copies run;
    for (std::size_t at = begin; at < all.size(); ++at) {
        if (!is_copy(all[at])) {
            if (anywhere) {
                continue;
            }
            break;
        }
        run.steps.push_back(at);
        if (std::find(run.tables.begin(), run.tables.end(), all[at].table) == run.tables.end()) {
            run.tables.push_back(all[at].table);
        }
    }
    return run;
}

awaitable<std::vector<tie>> ties_of_run(pg::connection& session, const file_request& what,
                                        const std::vector<steps::step>& all, const run_of_copies& run) {
    std::vector<tie> ties = co_await ties_among(session, run.tables);
    if (!what.tables.empty()) {
        for (const auto& [from, to] : what.tied) {
            ties.push_back({from, to, "", ""});
        }
        co_return ties;
    }
    const std::size_t first = all[run.steps.front()].line;
    std::erase_if(ties, [&](const tie& each) { return is_dropped_before(what.file, first, each); });
    for (const std::size_t at : run.steps) {
        for (const qualified_name& each : referred_to(all[at].statement)) {
            const std::string to = co_await display_of(session, each);
            ties.push_back({all[at].table, to, "", ""});
        }
    }
    co_return ties;
}

std::vector<std::vector<std::size_t>> components(const std::vector<std::string>& tables, const std::vector<tie>& ties) {
    std::vector<std::int64_t> numbers;
    const auto number_of = [&](const std::string& table) {
        return static_cast<std::int64_t>(std::find(tables.begin(), tables.end(), table) - tables.begin());
    };
    for (const std::string& each : tables) {
        numbers.push_back(number_of(each));
    }
    std::vector<references::tie> joined;
    for (const tie& each : ties) {
        joined.push_back({number_of(each.from), number_of(each.to), each.constraint, each.definition});
    }
    return references::tied(numbers, joined);
}

void join(const plan::group_member& more, std::vector<plan::group_member>& into) {
    const auto same = std::find_if(into.begin(), into.end(), [&](const plan::group_member& each) {
        return each.change.table == more.change.table;
    });
    if (same == into.end()) {
        into.push_back(more);
        return;
    }
    same->change.alters.insert(same->change.alters.end(), more.change.alters.begin(), more.change.alters.end());
}

std::string why_together(const std::vector<std::string>& tables, const std::vector<tie>& ties) {
    const auto inside = [&](const std::string& table) {
        return std::find(tables.begin(), tables.end(), table) != tables.end();
    };
    for (const tie& each : ties) {
        if (inside(each.from) && inside(each.to) && !each.constraint.empty()) {
            return fmt::format("they need a copy each, and foreign key {} ties {} to {}: all are exchanged at once",
                               display_identifier(each.constraint), each.from, each.to);
        }
    }
    return "they need a copy each, and are to be tied by foreign keys: all are exchanged at once";
}

/// One step in the place of the first.
steps::step group_of(const std::vector<steps::step>& all, const std::vector<std::size_t>& places,
                     const std::vector<std::string>& tables, const std::vector<tie>& ties) {
    steps::step made = all[places.front()];
    std::vector<plan::group_member> members;
    made.statement.clear();
    made.locks.clear();
    made.why = why_together(tables, ties);
    std::int64_t together = 0;
    bool known = true;
    for (const std::size_t at : places) {
        const steps::step& each = all[at];
        made.statement += (made.statement.empty() ? "" : "; ") + each.statement;
        for (const plan::group_member& member : copies_of(each).members) {
            join(member, members);
        }
        for (const probe::relation_lock& lock : each.locks) {
            const bool there = std::any_of(made.locks.begin(), made.locks.end(), [&](const probe::relation_lock& one) {
                return one.relation == lock.relation;
            });
            if (!there) {
                made.locks.push_back(lock);
            }
        }
        known = known && each.estimated_ms.has_value();
        together += each.estimated_ms.value_or(0);
    }
    made.estimated_ms = known ? std::optional(together) : std::nullopt;
    made.copies.clear();
    for (const plan::group_member& each : members) {
        made.copies.push_back(stored(each));
    }
    made.actions.resize(1);
    made.actions.front().kind = steps::action_kind::group;
    made.actions.front().label = "copying";
    made.actions.front().statements = {made.statement};
    return made;
}

/// Where the group stands, of the places of its members: the first, unless a step between them that is none of its own
/// makes what a later member needs, as a foreign key needs the key of another table.
std::size_t place_of_group(const std::vector<steps::step>& all, const std::vector<std::size_t>& members) {
    for (std::size_t at = members.front(); at < members.back(); ++at) {
        const bool own = std::find(members.begin(), members.end(), at) != members.end();
        const bool needed = std::any_of(members.begin(), members.end(), [&](std::size_t member) {
            const auto& locks = all[member].locks;
            return member > at && std::any_of(locks.begin(), locks.end(), [&](const probe::relation_lock& lock) {
                       return lock.relation == all[at].table;
                   });
        });
        if (!own && needed) {
            return members.back();
        }
    }
    return members.front();
}

/// Joins what is tied of one run; steps that are gone get no method any more.
void join_run(std::vector<steps::step>& all, const run_of_copies& run, const std::vector<tie>& ties,
              std::vector<bool>& gone) {
    for (const std::vector<std::size_t>& members : components(run.tables, ties)) {
        if (members.size() < 2) {
            continue;
        }
        std::vector<std::string> tables;
        for (const std::size_t each : members) {
            tables.push_back(run.tables[each]);
        }
        std::vector<std::size_t> places;
        for (const std::size_t at : run.steps) {
            if (std::find(tables.begin(), tables.end(), all[at].table) != tables.end()) {
                places.push_back(at);
            }
        }
        const std::size_t here = place_of_group(all, places);
        all[here] = group_of(all, places, tables, ties);
        for (const std::size_t each : places) {
            gone[each] = each != here;
        }
    }
}

}  // namespace

plan::group_request copies_of(const steps::step& what) {
    plan::group_request made;
    for (const steps::copied_table& each : what.copies) {
        made.members.push_back({plan::change_request_from_json(each.change), each.because});
    }
    if (made.members.empty()) {
        plan::group_member one;
        one.change.table = parse_qualified_name(what.table);
        one.change.alters.push_back(what.statement);
        one.because = what.line == 0 ? "asked for" : fmt::format("line {}", what.line);
        made.members.push_back(std::move(one));
    }
    return made;
}

namespace {

/// All statements of one of several tables, and the step that the first of them is.
steps::step whole_table(const file_request& what, std::size_t table, steps::step begun, std::string why) {
    std::string whole;
    for (std::size_t at = 0; at < what.file.statements.size(); ++at) {
        if (what.table_of.at(at) == table) {
            whole += (whole.empty() ? "" : "; ") + what.file.statements[at].sql();
        }
    }
    begun.table = ddl::sql_name(what.tables[table].change.table);
    steps::step one = steps::copied(std::move(begun), std::move(whole), std::move(why));
    one.copies.push_back(stored(what.tables[table]));
    return one;
}

}  // namespace

steps::choice copy_all_tables(const file_request& what) {
    steps::choice made;
    for (std::size_t at = 0; at < what.file.statements.size(); ++at) {
        const std::size_t table = what.table_of.at(at);
        if (at > 0 && what.table_of[at - 1] == table) {
            continue;
        }
        steps::step begun;
        begun.source = at;
        begun.line = what.file.statements[at].line();
        made.steps.push_back(whole_table(what, table, std::move(begun), "a copy was asked for"));
    }
    number(made);
    return made;
}

void copy_whole_tables(const file_request& what, steps::choice& made) {
    std::vector<steps::step> all;
    std::map<std::size_t, std::size_t> copied;  // of tables, the place of their copy
    for (const steps::step& each : made.steps) {
        const std::size_t table = what.table_of.at(each.source);
        const plan::change_request& change = what.tables[table].change;
        const auto part = [&](const steps::step& one) { return what.table_of.at(one.source) == table; };
        const auto copying = std::find_if(made.steps.begin(), made.steps.end(),
                                          [&](const steps::step& one) { return part(one) && is_copy(one); });
        const bool asked = !change.sets.empty() || change.key_index || change.order != plan::copy_order::automatic;
        if (copying == made.steps.end() && !asked) {
            all.push_back(each);
            continue;
        }
        if (copied.contains(table)) {
            continue;
        }
        std::string why = "--set and --key are of a copy";
        if (copying != made.steps.end()) {
            why = copying->why;
        }
        steps::step one = whole_table(what, table, copying == made.steps.end() ? each : *copying, std::move(why));
        copied.emplace(table, all.size());
        all.push_back(std::move(one));
    }
    made.steps = std::move(all);
    number(made);
}

awaitable<void> join_tied_copies(pg::connection& session, const file_request& what, steps::choice& made) {
    const bool anywhere = !what.tables.empty();
    std::vector<bool> gone(made.steps.size());
    for (std::size_t at = 0; at < made.steps.size();) {
        const run_of_copies run = run_from(made.steps, at, anywhere);
        if (run.tables.size() > 1) {
            const std::vector<tie> ties = co_await ties_of_run(session, what, made.steps, run);
            join_run(made.steps, run, ties, gone);
        }
        at = anywhere ? made.steps.size() : at + std::max<std::size_t>(run.steps.size(), 1);
    }
    std::vector<steps::step> left;
    for (std::size_t at = 0; at < made.steps.size(); ++at) {
        if (!gone[at]) {
            left.push_back(std::move(made.steps[at]));
        }
    }
    made.steps = std::move(left);
    number(made);
}

namespace {

/// A statement that can be copied, of a table that is there; else empty.
awaitable<std::string> copyable_table(pg::connection& session, const plan::file_statement& of) {
    std::string table;
    const bool alters = of.how == plan::treatment::alteration && steps::can_be_copied(of.what);
    if (alters) {
        table = co_await display_of(session, of.what.relation);
    }
    co_return table;
}

/// Where the question goes on with statements that are not the file's.
constexpr std::size_t not_of_file = SIZE_MAX;

/// Neighbours, and the foreign keys between their tables.
struct neighbours {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::vector<tie> ties;
};

awaitable<std::vector<neighbours>> find_neighbours(pg::connection& session, const plan::migration_file& file) {
    std::vector<neighbours> all;
    for (std::size_t at = 0; at < file.statements.size(); ++at) {
        neighbours run;
        run.begin = at;
        std::vector<std::string> tables;
        for (run.end = at; run.end < file.statements.size(); ++run.end) {
            const std::string table = co_await copyable_table(session, file.statements[run.end]);
            if (table.empty()) {
                break;
            }
            if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
                tables.push_back(table);
            }
        }
        if (tables.size() > 1) {
            run.ties = co_await ties_among(session, tables);
            const std::size_t line = file.statements[run.begin].line();
            std::erase_if(run.ties, [&](const tie& each) { return is_dropped_before(file, line, each); });
        }
        at = std::max(at, run.end);
        if (!run.ties.empty()) {
            all.push_back(std::move(run));
        }
    }
    co_return all;
}

steps::written_statement about_tie(const steps::written_statement& like, const tie& which, bool add) {
    steps::written_statement made = like;
    made.text = fmt::format("ALTER TABLE {} {} CONSTRAINT {}{}", which.from, add ? "ADD" : "DROP",
                            quote_identifier(which.constraint), add ? " " + which.definition : "");
    return made;
}

/// The question with each tie taken away before its neighbours, and put back behind them.
steps::question untied(const steps::question& asked, const std::vector<neighbours>& all,
                       std::vector<std::size_t>& source_of) {
    steps::question other = asked;
    other.statements.clear();
    const auto add = [&](steps::written_statement one, std::size_t from) {
        other.statements.push_back(std::move(one));
        source_of.push_back(from);
    };
    for (std::size_t at = 0; at < asked.statements.size(); ++at) {
        for (const neighbours& run : all) {
            for (const tie& each : run.ties) {
                if (run.begin == at) {
                    add(about_tie(asked.statements[at], each, false), not_of_file);
                }
            }
        }
        add(asked.statements[at], at);
        for (const neighbours& run : all) {
            for (const tie& each : run.ties) {
                if (run.end == at + 1) {
                    add(about_tie(asked.statements[at], each, true), not_of_file);
                }
            }
        }
    }
    return other;
}

/// Those of which a statement cannot be done by itself.
void keep_refused(const plan::migration_file& file, const steps::choice& alone, std::vector<neighbours>& all) {
    std::erase_if(all, [&](const neighbours& run) {
        return std::none_of(alone.refusals.begin(), alone.refusals.end(), [&](const steps::obstacle& each) {
            return each.line >= file.statements[run.begin].line() && each.line <= file.statements[run.end - 1].line();
        });
    });
}

/// What only goes together is copied, however small it is: each statement of tied tables is one step.
void copy_together(const plan::migration_file& file, const std::vector<neighbours>& all, steps::choice& made) {
    const auto is_tied = [&](const steps::step& each) {
        return std::any_of(all.begin(), all.end(), [&](const neighbours& run) {
            return each.source >= run.begin && each.source < run.end &&
                   std::any_of(run.ties.begin(), run.ties.end(),
                               [&](const tie& one) { return one.from == each.table || one.to == each.table; });
        });
    };
    std::vector<steps::step> steps;
    for (steps::step& each : made.steps) {
        if (!is_tied(each)) {
            steps.push_back(std::move(each));
        } else if (steps.empty() || steps.back().source != each.source) {
            const std::string whole = file.statements[each.source].sql();
            steps.push_back(steps::copied(std::move(each), whole, "foreign keys let it be done with others alone"));
        }
    }
    made.steps = std::move(steps);
}

}  // namespace

awaitable<std::optional<steps::choice>> choose_together(pg::connection& session, const plan::migration_file& file,
                                                        const steps::question& asked, const steps::choice& alone) {
    std::optional<steps::choice> made;
    if (asked.method == run::method_choice::native) {
        co_return made;
    }
    std::vector<neighbours> all = co_await find_neighbours(session, file);
    keep_refused(file, alone, all);
    if (all.empty()) {
        co_return made;
    }
    std::vector<std::size_t> source_of;
    steps::question other = untied(asked, all, source_of);
    steps::choice found = co_await steps::choose(session, std::move(other));
    if (!found.refusals.empty()) {
        co_return made;
    }
    std::vector<steps::step> left;
    for (steps::step& each : found.steps) {
        const std::size_t source = source_of.at(each.source);
        if (source != not_of_file) {
            each.source = source;
            left.push_back(std::move(each));
        }
    }
    found.steps = std::move(left);
    copy_together(file, all, found);
    number(found);
    made = std::move(found);
    co_return made;
}

}  // namespace pgeist::commands
