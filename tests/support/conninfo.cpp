#include "support/conninfo.hpp"

#include <libpq-fe.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <memory>
#include <stdexcept>

namespace pgeist::test {
namespace {

std::string percent_encoded(const std::string& text) {
    std::string encoded;
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (std::isalnum(byte) != 0 || letter == '-' || letter == '_' || letter == '.') {
            encoded += letter;
        } else {
            std::array<char, 4> hex{};
            std::snprintf(hex.data(), hex.size(), "%%%02X", byte);
            encoded += hex.data();
        }
    }
    return encoded;
}

}  // namespace

conninfo conninfo::parse(const std::string& text) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(text.c_str(), &message),
                                                                               &PQconninfoFree);
    if (!options) {
        const std::string reason = message == nullptr ? "out of memory" : message;
        PQfreemem(message);
        throw std::invalid_argument("cannot parse the connection string: " + reason);
    }
    conninfo parsed;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) {
            parsed.keywords_[option->keyword] = option->val;
        }
    }
    return parsed;
}

conninfo conninfo::with(const std::string& keyword, const std::string& value) const {
    conninfo changed = *this;
    changed.keywords_[keyword] = value;
    return changed;
}

std::string conninfo::get(const std::string& keyword) const {
    const auto found = keywords_.find(keyword);
    return found == keywords_.end() ? std::string{} : found->second;
}

std::string conninfo::uri() const {
    std::string text = "postgresql://";
    if (!get("user").empty()) {
        text += percent_encoded(get("user"));
        if (!get("password").empty()) {
            text += ":" + percent_encoded(get("password"));
        }
        text += "@";
    }
    // A socket directory can stand in the authority only percent-encoded, which is what this gives.
    text += percent_encoded(get("host"));
    if (!get("port").empty()) {
        text += ":" + get("port");
    }
    text += "/" + percent_encoded(get("dbname"));
    char separator = '?';
    for (const auto& [keyword, value] : keywords_) {
        if (keyword == "user" || keyword == "password" || keyword == "host" || keyword == "port" ||
            keyword == "dbname") {
            continue;
        }
        text += separator + keyword + "=" + percent_encoded(value);
        separator = '&';
    }
    return text;
}

}  // namespace pgeist::test
