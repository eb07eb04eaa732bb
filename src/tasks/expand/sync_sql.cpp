#include "sync_sql.hpp"

#include <algorithm>
#include <utility>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "bound_expressions.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/image.hpp"

namespace pgeist::expand {

namespace {

const column& column_named(const std::vector<column>& among, const std::string& name) {
    return *std::find_if(among.begin(), among.end(), [&](const column& each) { return each.name == name; });
}

/// `first OR second`; false when there is none.
template <class Items, class Each>
std::string any_of(const Items& items, Each each) {
    std::string text;
    for (const auto& item : items) {
        text += fmt::format("{}({})", text.empty() ? "" : " OR ", each(item));
    }
    return text.empty() ? "false" : text;
}

/// True of a row whose new columns are as they were added. @param column what one of them is called
template <class Named>
std::string are_initial(const group& of, Named column) {
    std::string text;
    for (const pgeist::expand::column& each : of.news) {
        text += fmt::format("{}{} IS NOT DISTINCT FROM NULL", text.empty() ? "" : " AND ", column(each));
    }
    return fmt::format("({})", text);
}

/// Writes one group. Columns have the names of placeholders until their expression is finished.
class group_writer {
public:
    group_writer(bound_expressions& expressions, const spec& of, const group& one, std::int64_t counter)
        : expressions_(&expressions), of_(&of), one_(&one), counter_(counter) {}

    [[nodiscard]] std::string inserted() {
        auto values = common();
        values.emplace_back("old_differs_from_default", differ_from_default("old_given", one_->olds));
        values.emplace_back("new_differs_from_default", differ_from_default("new_given", one_->news));
        values.emplace_back("up_is_null", both_ways() ? condition("up_is_null", all_null()) : "false");
        return fill_template(templates::keep_in_step_inserted, values);
    }
    [[nodiscard]] std::string updated() {
        auto values = common();
        values.emplace_back("unfilled", of_->filled ? "" : unfilled());
        values.emplace_back("old_was_changed", were_changed("old_changed", one_->olds));
        values.emplace_back("new_was_changed", were_changed("new_changed", one_->news));
        return fill_template(templates::keep_in_step_updated, values);
    }

private:
    using named_values = std::vector<std::pair<std::string, std::string>>;

    [[nodiscard]] bool both_ways() const { return !one_->downs.empty(); }
    [[nodiscard]] named_values common() {
        const std::string up = assigned("up", one_->ups, one_->news);
        const std::string down =
            both_ways() ? assigned("down", one_->downs, one_->olds) : "NULL;  -- there is no way back";
        named_values values;
        values.emplace_back("columns", titles(one_->olds) + " and " + titles(one_->news));
        values.emplace_back("new_is_not_up", differ_from("is_not_up", one_->ups, one_->news));
        values.emplace_back("old_is_not_down",
                            both_ways() ? differ_from("is_not_down", one_->downs, one_->olds) : "true");
        values.emplace_back("up", up);
        values.emplace_back("down", down);
        values.emplace_back(
            "count", fmt::format("PERFORM pg_catalog.nextval({}::pg_catalog.oid::pg_catalog.regclass);", counter_));
        values.emplace_back("conflict", conflict(up, down));
        return values;
    }
    [[nodiscard]] std::string condition(const std::string& name, const std::string& text) {
        return expressions_->condition(named(name), text);
    }
    [[nodiscard]] std::string value(const std::string& name, const std::string& text, const column& into) {
        return expressions_->value(named(name), text, into.type);
    }
    [[nodiscard]] std::string named(const std::string& name) const {
        return fmt::format("{}_{}", name, 1 + (one_ - of_->groups.data()));
    }
    [[nodiscard]] std::string in_row(const char* row, const column& of) const {
        return expressions_->in_names(row_placeholder(row, of.name));
    }
    [[nodiscard]] static std::string titles(const std::vector<column>& columns) {
        std::string text;
        for (const column& each : columns) {
            for (const char letter : each.name) {
                text += letter == '\n' || letter == '$' ? ' ' : letter;
            }
            text += &each == &columns.back() ? "" : ", ";
        }
        return text;
    }
    [[nodiscard]] std::string differ_from_default(const char* name, const std::vector<column>& columns) {
        const bool always =
            std::any_of(columns.begin(), columns.end(), [](const column& each) { return each.default_differs; });
        if (always) {
            return "true";
        }
        return condition(name, any_of(columns, [&](const column& each) {
                             return transfer::image_differs(
                                 each.type, row_placeholder("NEW", each.name),
                                 fmt::format("CAST({} AS {})", each.default_value, each.type));
                         }));
    }
    [[nodiscard]] std::string were_changed(const char* name, const std::vector<column>& columns) {
        return condition(name, any_of(columns, [&](const column& each) {
                             return transfer::image_differs(each.type, row_placeholder("OLD", each.name),
                                                            row_placeholder("NEW", each.name));
                         }));
    }
    [[nodiscard]] static std::string value_of(const assignment& each, const column& into) {
        return fmt::format("CAST(({}) AS {})", each.expression, into.type);
    }
    [[nodiscard]] std::string unfilled() {
        std::string fill;
        std::string take;
        std::string forget;
        for (const assignment& each : one_->ups) {
            const column& into = column_named(one_->news, each.column);
            const std::string before = in_row("OLD", into);
            const std::string after = in_row("NEW", into);
            const std::string filled = of_row("OLD", *of_, each.expression);
            const char* between = fill.empty() ? "" : " ";
            fill += fmt::format("{}{} := {};", between, before, value(value_name("fill", each), filled, into));
            take += fmt::format("{0}IF {1} IS NOT DISTINCT FROM NULL THEN {1} := {2}; END IF;", between, after, before);
            forget += fmt::format("{}{} := NULL;", between, before);
        }
        const std::string initial = are_initial(*one_, [&](const column& each) { return in_row("OLD", each); });
        return fill_template(templates::keep_in_step_unfilled,
                             {{"is_unfilled", initial}, {"fill", fill}, {"take", take}, {"forget", forget}});
    }
    [[nodiscard]] std::string differ_from(const char* name, const std::vector<assignment>& all,
                                          const std::vector<column>& columns) {
        return condition(name, any_of(all, [&](const assignment& each) {
                             const column& into = column_named(columns, each.column);
                             return transfer::image_differs(into.type, row_placeholder("NEW", into.name),
                                                            value_of(each, into));
                         }));
    }
    [[nodiscard]] std::string assigned(const char* name, const std::vector<assignment>& all,
                                       const std::vector<column>& columns) {
        std::string text;
        for (const assignment& each : all) {
            const column& into = column_named(columns, each.column);
            text += fmt::format("{}{} := {};", text.empty() ? "" : " ", in_row("NEW", into),
                                value(value_name(name, each), each.expression, into));
        }
        return text;
    }
    /// Within the group, by the assignment's place.
    [[nodiscard]] std::string value_name(const char* name, const assignment& each) const {
        const auto& all =
            std::any_of(one_->ups.begin(), one_->ups.end(), [&](const auto& one) { return &one == &each; })
                ? one_->ups
                : one_->downs;
        return fmt::format("{}{}", name, 1 + (&each - all.data()));
    }
    [[nodiscard]] std::string all_null() const {
        std::string text;
        for (const assignment& each : one_->ups) {
            text += fmt::format("{}({}) IS NOT DISTINCT FROM NULL", text.empty() ? "" : " AND ",
                                value_of(each, column_named(one_->news, each.column)));
        }
        return text;
    }
    [[nodiscard]] std::string conflict(const std::string& up, const std::string& down) const {
        switch (of_->conflict) {
            case policy::new_wins:
                return down;
            case policy::old_wins:
                return up;
            case policy::error:
                break;
        }
        std::string message = titles(one_->olds) + " and " + titles(one_->news) + " were both given, and do not agree";
        boost::replace_all(message, "%", "%%");
        return fmt::format(
            "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = {}, TABLE = "
            "TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;",
            quote_literal(message));
    }

    bound_expressions* expressions_;
    const spec* of_;
    const group* one_;
    std::int64_t counter_;
};

std::string keep_empty(const group& one) {
    std::string text;
    for (const column& each : one.news) {
        text += fmt::format("        NEW.{} := NULL;\n", quote_identifier(each.name));
    }
    return text;
}

/// Both parts of all groups.
std::pair<std::string, std::string> write_groups(bound_expressions& expressions, const spec& of, std::int64_t counter) {
    std::pair<std::string, std::string> written;
    for (const group& one : of.groups) {
        if (of.idle) {
            const std::string emptied = keep_empty(one);
            written.first += emptied;
            written.second += emptied;
            continue;
        }
        group_writer writer(expressions, of, one, counter);
        written.first += writer.inserted();
        written.second += writer.updated();
    }
    return written;
}

}  // namespace

std::vector<fill::assignment> guarded_sets(const spec& of, bool unfilled) {
    const names now = names_of(of);
    std::vector<fill::assignment> sets;
    for (const group& one : of.groups) {
        if (!unfilled && one.downs.empty()) {
            continue;
        }
        const std::string is_other = any_of(one.downs, [&](const assignment& each) {
            const column& old = column_named(one.olds, each.column);
            return transfer::image_differs(
                old.type, quote_identifier(now(old.name)),
                fmt::format("CAST(({}) AS {})", in_names(each.expression, of, now), old.type));
        });
        const std::string initial =
            are_initial(one, [&](const column& each) { return quote_identifier(now(each.name)); });
        for (const assignment& each : one.ups) {
            fill::assignment made;
            made.column = each.column;
            made.type = column_named(one.news, each.column).type;
            made.expression = in_names(each.expression, of, now);
            made.as_given = each.as_given;
            made.guard = unfilled ? fmt::format("({} OR ({}))", initial, is_other) : fmt::format("({})", is_other);
            sets.push_back(std::move(made));
        }
    }
    return sets;
}

std::string function_sql(const spec& of, std::int64_t counter) {
    bound_expressions expressions(of);
    const auto [inserted, updated] = write_groups(expressions, of, counter);
    return fill_template(templates::keep_in_step, {{"function", of.function().sql()},
                                                   {"settings", of.bound ? "" : " SET search_path = pg_catalog"},
                                                   {"inserted", inserted},
                                                   {"updated", updated}});
}

std::string expressions_sql(spec of) {
    of.filled = false;
    of.idle = false;
    bound_expressions expressions(of);
    static_cast<void>(write_groups(expressions, of, 0));
    return expressions.functions();
}

std::string trigger_sql(const spec& of) {
    return fmt::format(
        "CREATE TRIGGER {0} BEFORE INSERT OR UPDATE ON {1} FOR EACH ROW EXECUTE FUNCTION {2}(); ALTER TABLE {1} ENABLE "
        "ALWAYS TRIGGER {0}",
        quote_identifier(of.trigger), of.table.sql(), of.function().sql());
}

}  // namespace pgeist::expand
