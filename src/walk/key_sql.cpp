#include "pgeist/walk/key_sql.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/walk/key_values.hpp"

namespace pgeist::walk {

namespace {

std::string column_name(const key_column& column, side of) {
    return quote_identifier(of == side::read ? column.read_name : column.write_name);
}

std::string collate(const key_column& column) { return column.collation.empty() ? "" : " COLLATE " + column.collation; }

/// A column with the collation of the walked index, which need not be the column's own.
std::string collated(const key_column& column, side of, const std::string& alias) {
    return alias + "." + column_name(column, of) + collate(column);
}

template <class Function>
std::string listed(const key& key, const char* separator, Function each) {
    std::vector<std::string> items;
    for (std::size_t at = 0; at < key.columns.size(); ++at) {
        items.push_back(each(key.columns[at], at));
    }
    return join(items, separator);
}

const std::string& after_operator(const key_column& column) { return column.descending ? column.less : column.greater; }
const std::string& up_to_operator(const key_column& column) {
    return column.descending ? column.greater_equal : column.less_equal;
}
const std::string& before_operator(const key_column& column) {
    return column.descending ? column.greater : column.less;
}
const std::string& from_operator(const key_column& column) {
    return column.descending ? column.less_equal : column.greater_equal;
}

/// A row comparison uses one operator name for all columns: possible when all columns go the same way by the same name.
bool is_uniform(const key& key) {
    return std::all_of(key.columns.begin(), key.columns.end(), [&](const key_column& each) {
        return each.greater == key.columns[0].greater && each.less == key.columns[0].less &&
               each.descending == key.columns[0].descending;
    });
}

constexpr std::string_view single_byte = "\"char\"";

std::string parameter(const key_column& column, std::size_t number) {
    return read_back(column, fmt::format("${}", number));
}

/// `(a, b) > ($1, $2)` for a uniform key.
std::string row_comparison(const key& key, const std::string& op, side of, const std::string& alias,
                           std::size_t first) {
    const std::string columns =
        listed(key, ", ", [&](const key_column& c, std::size_t) { return collated(c, of, alias); });
    const std::string values =
        listed(key, ", ", [&](const key_column& c, std::size_t at) { return parameter(c, first + at); });
    if (key.columns.size() == 1) {
        return fmt::format("{} {} {}", columns, op, values);
    }
    return fmt::format("ROW({}) {} ROW({})", columns, op, values);
}

/// Where keys begin or end: the bound itself is left out by `after` only.
enum class edge { after, from, up_to };

const std::string& operator_at(const key_column& column, edge at) {
    if (at == edge::up_to) {
        return up_to_operator(column);
    }
    return at == edge::after ? after_operator(column) : from_operator(column);
}

/// The same spelled out, with a leading condition on the first column that the index can use:
/// `a >= $1 AND (a > $1 OR (a = $1 AND b < $2))`. Only the last column tells whether the bound itself is taken in.
std::string expanded_comparison(const key& key, edge limit, side of, const std::string& alias, std::size_t first) {
    std::string inner;
    for (std::size_t at = key.columns.size(); at-- > 0;) {
        const key_column& column = key.columns[at];
        const std::string left = collated(column, of, alias);
        const std::string right = parameter(column, first + at);
        const bool last = at + 1 == key.columns.size();
        const std::string& strict = limit == edge::up_to ? before_operator(column) : after_operator(column);
        const std::string& op = last ? operator_at(column, limit) : strict;
        const std::string beyond = fmt::format("{} {} {}", left, op, right);
        inner = last ? beyond : fmt::format("{} OR ({} {} {} AND ({}))", beyond, left, column.equal, right, inner);
    }
    const key_column& leading = key.columns[0];
    const std::string& coarse = limit == edge::up_to ? up_to_operator(leading) : from_operator(leading);
    return fmt::format("{} {} {} AND ({})", collated(leading, of, alias), coarse, parameter(leading, first), inner);
}

std::string comparison(const key& key, edge limit, side of, const std::string& alias, std::size_t first) {
    if (is_uniform(key)) {
        return row_comparison(key, operator_at(key.columns[0], limit), of, alias, first);
    }
    return expanded_comparison(key, limit, of, alias, first);
}

}  // namespace

std::string readable(const key_column& column, const std::string& value) {
    return column.type == single_byte ? fmt::format("CAST({} AS integer)", value) : value;
}

std::string read_back(const key_column& column, const std::string& text) {
    // PostgreSQL 18 cannot plan "char" <= 'a' where there are statistics: so the value is none that the planner knows.
    return column.type == single_byte ? fmt::format("(SELECT CAST(CAST({} AS integer) AS {}))", text, column.type)
                                      : fmt::format("CAST({} AS {})", text, column.type);
}

std::string readable_log_columns(const key& key, const std::string& alias) {
    return listed(key, ", ", [&](const key_column& column, std::size_t at) {
        return readable(column, fmt::format("{}.k{}", alias, at + 1));
    });
}

std::string is_after_bound(const key& key, const std::string& alias) {
    return comparison(as_logged(key), edge::after, side::read, alias, 1);
}

std::string within(const key& key, side of, const std::string& alias, std::size_t number) {
    return comparison(key, edge::from, of, alias, number) + " AND " +
           comparison(key, edge::up_to, of, alias, number + key.columns.size());
}

key as_logged(const key& key) {
    walk::key logged = key;
    for (std::size_t at = 0; at < logged.columns.size(); ++at) {
        logged.columns[at].read_name = fmt::format("k{}", at + 1);
    }
    return logged;
}

key reversed(const key& key) {
    walk::key other_way = key;
    for (key_column& column : other_way.columns) {
        column.descending = !column.descending;
    }
    return other_way;
}

bound_sql range_predicate(const key& key, const key_range& range, side of, const std::string& alias) {
    bound_sql out;
    const auto add = [&](const bound& limit, edge at) {
        if (!limit) {
            return;
        }
        out.sql += out.sql.empty() ? " WHERE " : " AND ";
        out.sql += comparison(key, at, of, alias, out.values.size() + 1);
        out.values.insert(out.values.end(), limit->begin(), limit->end());
    };
    add(range.lower, edge::after);
    add(range.upper, edge::up_to);
    return out;
}

std::string order_by(const key& key, const std::string& alias) {
    return listed(key, ", ", [&](const key_column& column, std::size_t) {
        return fmt::format("{} USING {}", collated(column, side::read, alias),
                           column.descending ? column.greater : column.less);
    });
}

std::string read_columns(const key& key, const std::string& alias) {
    return listed(key, ", ", [&](const key_column& column, std::size_t) {
        return alias + "." + quote_identifier(column.read_name);
    });
}

std::string log_columns(const key& key) {
    return listed(key, ", ", [](const key_column&, std::size_t at) { return fmt::format("k{}", at + 1); });
}

std::string log_column_definitions(const key& key) {
    return listed(key, ", ", [](const key_column& column, std::size_t at) {
        return fmt::format("k{} {}{}", at + 1, column.type, collate(column));
    });
}

namespace {

/// No casts: a key that the other side's type cannot hold is simply not equal to any of its keys.
std::string equals_log(const key& key, side of, const std::string& alias, const std::string& log_alias) {
    return listed(key, " AND ", [&](const key_column& column, std::size_t at) {
        return fmt::format("{} {} {}.k{}", collated(column, of, alias), column.equal, log_alias, at + 1);
    });
}

}  // namespace

std::string read_equals_log(const key& key, const std::string& read_alias, const std::string& log_alias) {
    return equals_log(key, side::read, read_alias, log_alias);
}

std::string log_equals_log(const key& key, const std::string& left, const std::string& right) {
    return listed(key, " AND ", [&](const key_column& column, std::size_t at) {
        return fmt::format("{}.k{}{} {} {}.k{}", left, at + 1, collate(column), column.equal, right, at + 1);
    });
}

std::string write_equals_log(const key& key, const std::string& write_alias, const std::string& log_alias) {
    return equals_log(key, side::write, write_alias, log_alias);
}

std::string order_by_stored(const key& key, const std::string& array) {
    return listed(key, ", ", [&](const key_column& column, std::size_t at) {
        return fmt::format("{}{} USING {}", read_back(column, fmt::format("{}[{}]", array, at + 1)), collate(column),
                           column.descending ? column.greater : column.less);
    });
}

}  // namespace pgeist::walk
