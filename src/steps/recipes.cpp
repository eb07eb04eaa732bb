#include "recipes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"

namespace pgeist::steps {

namespace {

using ddl::clause_kind;
using ddl::constraint_kind;
using ddl::statement_kind;

/// What is measured of them goes with the old type.
std::vector<std::string> columns_to_analyze(const ddl::statement& what) {
    std::vector<std::string> columns;
    for (const ddl::clause& each : what.clauses) {
        if (each.kind == clause_kind::alter_type) {
            columns.push_back(quote_identifier(each.name));
        }
    }
    return columns;
}

action patient(std::string label, std::string statement, const part& of) {
    action one;
    one.kind = action_kind::patient;
    one.label = std::move(label);
    one.statements.push_back(std::move(statement));
    one.locks = locks_of(of.does);
    return one;
}

/// Rows read and changed as the statement says: it waits for whom it has to wait.
bool is_about_rows(const ddl::statement& what) {
    switch (what.kind) {
        case statement_kind::insert:
        case statement_kind::update:
        case statement_kind::remove:
        case statement_kind::merge:
        case statement_kind::copy:
        case statement_kind::select:
        case statement_kind::perform:
        case statement_kind::call:
        case statement_kind::analyze:
            return true;
        default:
            return false;
    }
}

std::string why_plain(const part& of) {
    if (is_about_rows(of.what)) {
        return "it is run as it is";
    }
    if (!of.does.works()) {
        return keeps_waiting(of) ? "only the catalogs are changed" : "nobody waits for it";
    }
    if (!keeps_waiting(of)) {
        return "it works while nobody waits for it";
    }
    return "what it works on is small";
}

/// Statements that the server does in transactions of its own, as they were written.
std::optional<action> server_steps(const part& of) {
    const ddl::statement& what = of.what;
    action one;
    one.statements.push_back(what.text);
    const auto resolved = [&](const qualified_name& name) { return parse_qualified_name(of.before.name_of(name)); };
    if (what.kind == statement_kind::create_index && what.concurrently) {
        return std::nullopt;  // by create_index()
    }
    if (what.kind == statement_kind::drop && what.object == ddl::object_kind::index && what.concurrently) {
        one.kind = action_kind::drop_index;
        one.index = resolved(what.relations.empty() ? what.relation : what.relations.front());
        one.label = "dropping " + one.index.display();
        return one;
    }
    if (what.kind == statement_kind::reindex && what.concurrently) {
        one.kind = action_kind::reindex;
        const bool index = what.object == ddl::object_kind::index;
        (index ? one.index : one.relation) = resolved(what.relation);
        one.label = "rebuilding " + what.relation.display();
        return one;
    }
    for (const ddl::clause& each : what.clauses) {
        if (each.kind == clause_kind::detach_partition && each.concurrently) {
            one.kind = action_kind::detach;
            one.relation = resolved(what.relation);
            one.index = resolved(each.partner);  // the partition
            one.label = "detaching " + each.partner.display();
            return one;
        }
    }
    if (of.does.transaction != probe::transaction_need::any) {
        one.kind = action_kind::run_alone;
        one.label = "running it by itself";
        return one;
    }
    return std::nullopt;
}

/// REINDEX, CONCURRENTLY.
recipe rebuilt(const part& of) {
    recipe made;
    made.how = method::concurrently;
    made.why = "it is rebuilt while others read and write";
    action one;
    one.kind = action_kind::reindex;
    (of.what.object == ddl::object_kind::index ? one.index : one.relation) =
        parse_qualified_name(of.before.name_of(of.what.relation));
    one.label = "rebuilding " + of.what.relation.display();
    one.statements.push_back(of.what.text);
    made.actions.push_back(std::move(one));
    return made;
}

}  // namespace

std::string head_of(const ddl::statement& what) {
    const std::size_t at = what.clauses.empty() ? std::string::npos : what.text.find(what.clauses.front().text);
    return at == std::string::npos ? what.text + " " : what.text.substr(0, at);
}

std::vector<wanted_lock> locks_of(const probe::effect& does) {
    std::vector<wanted_lock> all;
    for (const probe::relation_lock& each : does.locks) {
        const bool lockable = each.kind != probe::relation_kind::index && each.kind != probe::relation_kind::type;
        if (lockable && each.mode > probe::lock_mode::row_exclusive && each.relation != "*") {
            all.push_back({parse_qualified_name(each.relation), each.mode, each.kind});
        }
    }
    std::stable_sort(all.begin(), all.end(), [](const wanted_lock& a, const wanted_lock& b) {
        return a.relation.display() < b.relation.display();
    });
    return all;
}

bool keeps_waiting(const part& of) {
    return std::any_of(of.does.locks.begin(), of.does.locks.end(), [&](const probe::relation_lock& each) {
        return each.kind != probe::relation_kind::type && !of.before.is_new(each.relation) &&
               probe::blocks_writes(each.mode);
    });
}

action transaction_of(std::string label, std::vector<std::string> statements, std::vector<wanted_lock> locks) {
    action one;
    one.kind = action_kind::transaction;
    one.label = std::move(label);
    one.statements = std::move(statements);
    one.locks = std::move(locks);
    one.bounded = true;
    return one;
}

action validation_of(const part& of, std::string constraint) {
    action one;
    one.kind = action_kind::patient;
    one.label = "validating";
    one.statements.push_back(head_of(of.what) + "VALIDATE CONSTRAINT " + std::move(constraint));
    wanted_lock table;
    table.relation = parse_qualified_name(of.before.name_of(of.what.relation));
    table.mode = probe::lock_mode::share_update_exclusive;
    one.locks.push_back(std::move(table));
    return one;
}

recipe plain(const part& of) {
    recipe made;
    made.how = method::native;
    made.why = why_plain(of);
    if (auto alone = server_steps(of)) {
        const bool index = alone->kind != action_kind::run_alone;
        made.how = index ? method::concurrently : method::native;
        made.why = index ? "it is to be done so" : "it is refused in a transaction block";
        made.actions.push_back(std::move(*alone));
        return made;
    }
    const bool validates = of.does.works() && !keeps_waiting(of) && of.what.kind == statement_kind::alter_table;
    if (is_about_rows(of.what)) {
        action one = patient("running it", of.what.text, of);
        one.locks.clear();
        one.as_is = true;
        one.short_waits = runs_code(of.what);
        made.actions.push_back(std::move(one));
    } else if (validates) {
        made.actions.push_back(patient("validating", of.what.text, of));
    } else {
        action one = transaction_of("changing the catalogs", {of.what.text}, locks_of(of.does));
        one.bounded = keeps_waiting(of);
        if (of.does.works()) {
            one.label = "doing it within --max-block";
        }
        made.actions.push_back(std::move(one));
    }
    const auto columns = columns_to_analyze(of.what);
    if (!columns.empty()) {
        std::string table = qualified_name(parse_qualified_name(of.before.name_of(of.what.relation))).sql();
        action last =
            patient("analyzing what has another type", fmt::format("ANALYZE {} ({})", table, join(columns, ", ")), of);
        for (wanted_lock& each : last.locks) {
            each.mode = probe::lock_mode::share_update_exclusive;
        }
        made.actions.push_back(std::move(last));
    }
    return made;
}

bool is_replaced_by(const ddl::statement& of, const ddl::clause& dropped, const ddl::clause& added) {
    if (dropped.kind != clause_kind::drop_constraint || added.kind != clause_kind::add_constraint || !added.made ||
        !added.made->index.empty()) {
        return false;
    }
    const bool primary = added.made->kind == constraint_kind::primary_key;
    const bool named_so = added.made->name.empty()
                              ? primary && dropped.name == ddl::made_name(of.relation.name, {}, "pkey")
                              : added.made->name == dropped.name;
    return named_so &&
           (primary || added.made->kind == constraint_kind::check || added.made->kind == constraint_kind::foreign_key ||
            added.made->kind == constraint_kind::unique);
}

std::optional<recipe> gentle_by_rules(const part& of, const facts& known) {
    const ddl::statement& what = of.what;
    if (what.kind == statement_kind::reindex && !what.all_tables && !what.relation.name.empty()) {
        return rebuilt(of);
    }
    if (what.kind == statement_kind::create_index) {
        return create_index(of);
    }
    if (what.kind == statement_kind::alter_table && what.clauses.size() == 2 &&
        is_replaced_by(what, what.clauses.front(), what.clauses.back())) {
        return replace_constraint(of, what.clauses.front(), what.clauses.back(), known);
    }
    if (what.kind != statement_kind::alter_table || what.clauses.size() != 1) {
        return std::nullopt;
    }
    const ddl::clause& each = what.clauses.front();
    if (each.kind == clause_kind::set_not_null) {
        return set_not_null(of, each, known);
    }
    if (each.kind == clause_kind::add_column) {
        return add_column(of, each, known);
    }
    if (each.kind != clause_kind::add_constraint || !each.made) {
        return std::nullopt;
    }
    switch (each.made->kind) {
        case constraint_kind::check:
            return add_check(of, each);
        case constraint_kind::foreign_key:
            return add_foreign_key(of, each, known);
        case constraint_kind::unique:
        case constraint_kind::primary_key:
            return add_unique(of, each, known);
        default:
            return std::nullopt;
    }
}

awaitable<std::optional<recipe>> gentle(pg::connection& session, const part& of, const facts& known) {
    std::optional<recipe> made = gentle_by_rules(of, known);
    if (made || of.what.kind != statement_kind::alter_table || of.what.clauses.size() != 1) {
        co_return made;
    }
    const ddl::clause& each = of.what.clauses.front();
    const bool foreign_key =
        each.kind == clause_kind::add_constraint && each.made && each.made->kind == constraint_kind::foreign_key;
    if (each.kind == clause_kind::alter_type) {
        made = co_await alter_type(session, of, each);
    } else if (each.kind == clause_kind::attach_partition) {
        made = co_await attach_partition(session, of, each);
    } else if (foreign_key) {
        const std::string name = co_await name_for(session, of, *each.made);
        made = add_foreign_key_to_partitions(of, each, name);
    }
    co_return made;
}

}  // namespace pgeist::steps
