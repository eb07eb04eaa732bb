#include "pgeist/pg/result.hpp"

#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>
#include <libpq-fe.h>

namespace pgeist::pg {

void result::clear::operator()(pg_result* owned) const noexcept { PQclear(owned); }

result::result(pg_result* owned) : result_(owned) {}

int result::rows() const noexcept { return PQntuples(result_.get()); }

int result::columns() const noexcept { return PQnfields(result_.get()); }

std::int64_t result::affected() const { return result_ ? std::atoll(PQcmdTuples(result_.get())) : 0; }

int result::column(const char* name) const {
    // PQfnumber folds unquoted names to lower case; ours are always quoted to be taken literally.
    const int at = PQfnumber(result_.get(), (std::string("\"") + name + "\"").c_str());
    if (at < 0) {
        throw std::logic_error(std::string("the result has no column ") + name);
    }
    return at;
}

bool result::is_null(int row, int column) const noexcept { return PQgetisnull(result_.get(), row, column) != 0; }

std::string_view result::view(int row, int column) const noexcept {
    const char* value = PQgetvalue(result_.get(), row, column);
    if (value == nullptr) {
        return {};
    }
    return {value, static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::optional<std::string> result::optional_text(int row, int column) const {
    if (is_null(row, column)) {
        return std::nullopt;
    }
    return text(row, column);
}

std::int64_t result::integer(int row, int column) const { return std::atoll(text(row, column).c_str()); }

double result::number(int row, int column) const { return std::atof(text(row, column).c_str()); }

std::vector<std::string> result::parse_array(std::string_view text) {
    std::vector<std::string> items;
    if (text.size() <= 2) {
        return items;
    }
    std::string item;
    bool quoted = false;
    bool was_quoted = false;
    for (std::size_t at = 1; at < text.size(); ++at) {
        const char c = text[at];
        if (quoted && c == '\\') {
            item += text[++at];
        } else if (c == '"') {
            quoted = !quoted;
            was_quoted = true;
        } else if (!quoted && (c == ',' || c == '}')) {
            items.push_back(!was_quoted && item == "NULL" ? std::string() : item);
            item.clear();
            was_quoted = false;
        } else {
            item += c;
        }
    }
    return items;
}

std::string array_literal(const std::vector<std::string>& items) {
    std::string text = "{";
    for (const std::string& item : items) {
        text += text.size() > 1 ? ",\"" : "\"";
        for (const char c : item) {
            if (c == '"' || c == '\\') {
                text += '\\';
            }
            text += c;
        }
        text += '"';
    }
    return text + "}";
}

std::string array_literal(const std::vector<std::int64_t>& numbers) {
    return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

}  // namespace pgeist::pg
