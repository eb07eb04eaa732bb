#include "bound_expressions.hpp"

#include <algorithm>
#include <vector>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"

namespace pgeist::expand {

namespace {

constexpr const char* both_rows[] = {"NEW", "OLD"};

template <class Each>
void for_each_column(const spec& of, Each each) {
    for (const group& one : of.groups) {
        for (const auto* columns : {&one.olds, &one.news}) {
            std::for_each(columns->begin(), columns->end(), each);
        }
    }
}

/// Nothing but a column: of that nothing is found by a name.
bool is_column(const spec& of, const std::string& text) {
    bool found = false;
    for_each_column(of, [&](const column& each) {
        found = found || text == row_placeholder("NEW", each.name) || text == row_placeholder("OLD", each.name);
    });
    return found;
}

}  // namespace

names names_of(const spec& of) {
    if (!of.trial) {
        return [](const std::string& column) { return column; };
    }
    return [&of](const std::string& column) {
        const bool hidden = std::find(of.replaced.begin(), of.replaced.end(), column) != of.replaced.end();
        return hidden ? of.hidden_name(column) : column;
    };
}

std::string row_placeholder(const std::string& row, const std::string& column) {
    return row + "." + quote_identifier("pgeist:" + column);
}

std::string placeholder(const std::string& column) { return row_placeholder("NEW", column); }

std::string of_row(const std::string& row, const spec& of, std::string expression) {
    for_each_column(of, [&](const column& each) {
        boost::replace_all(expression, placeholder(each.name), row_placeholder(row, each.name));
    });
    return expression;
}

std::string in_names(std::string expression, const spec& of, const names& now) {
    for_each_column(of, [&](const column& each) {
        boost::replace_all(expression, placeholder(each.name), quote_identifier(now(each.name)));
    });
    return expression;
}

std::string bound_expressions::in_names(std::string text) const {
    for_each_column(*of_, [&](const column& each) {
        for (const char* row : both_rows) {
            boost::replace_all(text, row_placeholder(row, each.name),
                               fmt::format("{}.{}", row, quote_identifier(now_(each.name))));
        }
    });
    return text;
}

std::string bound_expressions::condition(const std::string& name, const std::string& text) {
    return of_->bound ? call(name, text, "boolean") : fmt::format("({})", in_names(text));
}

std::string bound_expressions::value(const std::string& name, const std::string& text, const std::string& type) {
    if (!of_->bound || is_column(*of_, text)) {
        return in_names(text);
    }
    // Not the type itself: what is too long is refused by the assignment, and cut by a cast.
    const std::string loose = transfer::loose_type(type);
    return call(name, fmt::format("CAST(({}) AS {})", text, loose), loose);
}

std::string bound_expressions::call(const std::string& name, std::string text, const std::string& returns) {
    std::vector<std::string> types;
    std::vector<std::string> arguments;
    for_each_column(*of_, [&](const column& each) {
        for (const char* row : both_rows) {
            const std::string wanted = row_placeholder(row, each.name);
            if (text.find(wanted) != std::string::npos) {
                types.push_back(transfer::loose_type(each.type));
                arguments.push_back(in_names(wanted));
                boost::replace_all(text, wanted, fmt::format("${}", types.size()));
            }
        }
    });
    const std::string function = qualified_name{of_->job_schema, name}.sql();
    const std::string signature = fmt::format("{}({})", function, join(types, ", "));
    // STABLE: what is inlined may be no more volatile than that, and is not.
    functions_[name] = fmt::format(
        "CREATE FUNCTION {0} RETURNS {1} LANGUAGE sql STABLE RETURN {2}; GRANT EXECUTE ON FUNCTION {0} TO PUBLIC; ",
        signature, returns, text);
    return fmt::format("{}({})", function, join(arguments, ", "));
}

std::string bound_expressions::functions() const {
    std::string sql;
    for (const auto& [name, create] : functions_) {
        sql += create;
    }
    return sql;
}

}  // namespace pgeist::expand
