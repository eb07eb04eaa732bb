#include "sync_sql.hpp"

#include <algorithm>
#include <utility>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

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

std::string row_name(const std::string& row, const std::string& column) {
    return (row.empty() ? "" : row + ".") + quote_identifier(column);
}

/// True of a row whose new columns are as they were added.
std::string are_initial(const group& of, const spec& all, const std::string& row) {
    const names now = names_of(all);
    std::string text;
    for (const column& each : of.news) {
        text +=
            fmt::format("{}{} IS NOT DISTINCT FROM NULL", text.empty() ? "" : " AND ", row_name(row, now(each.name)));
    }
    return text;
}

/// Writes one group.
class group_writer {
public:
    group_writer(const spec& of, const group& one, std::int64_t counter)
        : of_(&of), one_(&one), counter_(counter), now_(names_of(of)) {}

    [[nodiscard]] std::string write() const {
        const bool both_ways = !one_->downs.empty();
        const std::string up = assigned(one_->ups, one_->news);
        const std::string down = both_ways ? assigned(one_->downs, one_->olds) : "NULL;  -- there is no way back";
        std::vector<std::pair<std::string, std::string>> values;
        values.emplace_back("unfilled", of_->filled ? "" : unfilled());
        values.emplace_back("columns", titles(one_->olds) + " and " + titles(one_->news));
        values.emplace_back("old_differs_from_default", differ_from_default(one_->olds));
        values.emplace_back("new_differs_from_default", differ_from_default(one_->news));
        values.emplace_back("old_was_changed", were_changed(one_->olds));
        values.emplace_back("new_was_changed", were_changed(one_->news));
        values.emplace_back("new_is_not_up", differ_from(one_->ups, one_->news));
        values.emplace_back("old_is_not_down", both_ways ? differ_from(one_->downs, one_->olds) : "true");
        values.emplace_back("up", up);
        values.emplace_back("down", down);
        values.emplace_back("up_is_null", both_ways ? all_null() : "false");
        values.emplace_back("counter", std::to_string(counter_));
        values.emplace_back("conflict", conflict(up, down));
        return fill_template(templates::keep_in_step_group, values);
    }

private:
    [[nodiscard]] std::string row_column(const char* row, const column& of) const {
        return fmt::format("{}.{}", row, quote_identifier(now_(of.name)));
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
    [[nodiscard]] static std::string differ(const column& of, const std::string& one, const std::string& other) {
        return transfer::image_differs(of.type, one, other);
    }
    [[nodiscard]] std::string differ_from_default(const std::vector<column>& columns) const {
        return any_of(columns, [&](const column& each) {
            return each.default_differs ? std::string("true")
                                        : differ(each, row_column("NEW", each),
                                                 fmt::format("CAST({} AS {})", each.default_value, each.type));
        });
    }
    [[nodiscard]] std::string were_changed(const std::vector<column>& columns) const {
        return any_of(columns, [&](const column& each) {
            return differ(each, row_column("OLD", each), row_column("NEW", each));
        });
    }
    [[nodiscard]] std::string value_of(const assignment& each, const column& into) const {
        return fmt::format("CAST(({}) AS {})", in_names(each.expression, *of_, now_), into.type);
    }
    [[nodiscard]] std::string unfilled() const {
        std::string fill;
        std::string take;
        std::string forget;
        for (const assignment& each : one_->ups) {
            const column& into = column_named(one_->news, each.column);
            const std::string before = row_column("OLD", into);
            const std::string after = row_column("NEW", into);
            fill += fmt::format("{}{} := {};", fill.empty() ? "" : " ", before,
                                in_names(each.expression, *of_, now_, "OLD"));
            take += fmt::format("{0}IF {1} IS NOT DISTINCT FROM NULL THEN {1} := {2}; END IF;", take.empty() ? "" : " ",
                                after, before);
            forget += fmt::format("{}{} := NULL;", forget.empty() ? "" : " ", before);
        }
        return fill_template(
            templates::keep_in_step_unfilled,
            {{"is_unfilled", are_initial(*one_, *of_, "OLD")}, {"fill", fill}, {"take", take}, {"forget", forget}});
    }
    [[nodiscard]] std::string differ_from(const std::vector<assignment>& all,
                                          const std::vector<column>& columns) const {
        return any_of(all, [&](const assignment& each) {
            const column& into = column_named(columns, each.column);
            return differ(into, row_column("NEW", into), value_of(each, into));
        });
    }
    [[nodiscard]] std::string assigned(const std::vector<assignment>& all, const std::vector<column>& columns) const {
        std::string text;
        for (const assignment& each : all) {
            const column& into = column_named(columns, each.column);
            text += fmt::format("{}{} := {};", text.empty() ? "" : " ", row_column("NEW", into),
                                in_names(each.expression, *of_, now_));
        }
        return text;
    }
    [[nodiscard]] std::string all_null() const {
        std::string text;
        for (const assignment& each : one_->ups) {
            const column& into = column_named(one_->news, each.column);
            text += fmt::format("{}({}) IS NOT DISTINCT FROM NULL", text.empty() ? "" : " AND ", value_of(each, into));
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

    const spec* of_;
    const group* one_;
    std::int64_t counter_;
    names now_;
};

}  // namespace

std::string placeholder(const std::string& column) { return "NEW." + quote_identifier("pgeist:" + column); }

names names_of(const spec& of) {
    if (!of.trial) {
        return [](const std::string& column) { return column; };
    }
    return [&of](const std::string& column) {
        const bool hidden = std::find(of.replaced.begin(), of.replaced.end(), column) != of.replaced.end();
        return hidden ? of.hidden_name(column) : column;
    };
}

std::string in_names(std::string expression, const spec& of, const names& now, const std::string& row) {
    for (const group& one : of.groups) {
        for (const auto* columns : {&one.olds, &one.news}) {
            for (const column& each : *columns) {
                boost::replace_all(expression, placeholder(each.name), row_name(row, now(each.name)));
            }
        }
    }
    return expression;
}

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
                old.type, row_name("", now(old.name)),
                fmt::format("CAST(({}) AS {})", in_names(each.expression, of, now, ""), old.type));
        });
        const std::string initial = fmt::format("({})", are_initial(one, of, ""));
        for (const assignment& each : one.ups) {
            fill::assignment made;
            made.column = each.column;
            made.type = column_named(one.news, each.column).type;
            made.expression = in_names(each.expression, of, now, "");
            made.as_given = each.as_given;
            made.guard = unfilled ? fmt::format("({} OR ({}))", initial, is_other) : fmt::format("({})", is_other);
            sets.push_back(std::move(made));
        }
    }
    return sets;
}

std::string function_sql(const spec& of, std::int64_t counter) {
    std::string groups;
    for (const group& one : of.groups) {
        groups += group_writer(of, one, counter).write();
    }
    return fill_template(templates::keep_in_step, {{"function", of.function().sql()}, {"groups", groups}});
}

std::string trigger_sql(const spec& of) {
    return fmt::format(
        "CREATE TRIGGER {0} BEFORE INSERT OR UPDATE ON {1} FOR EACH ROW EXECUTE FUNCTION {2}(); ALTER TABLE {1} ENABLE "
        "ALWAYS TRIGGER {0}",
        quote_identifier(of.trigger), of.table.sql(), of.function().sql());
}

}  // namespace pgeist::expand
