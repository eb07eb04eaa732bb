#include "pgeist/ddl/lexer.hpp"

#include <algorithm>
#include <cctype>

namespace pgeist::ddl {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_word(char c) { return starts_word(c) || is_digit(c) || c == '$'; }

}  // namespace

bool lexer::next(token& into) {
    while (at_ < text_.size() && is_space(text_[at_])) {
        ++at_;
    }
    if (at_ >= text_.size()) {
        return false;
    }
    into = token();
    into.begin = at_;
    const char now = text_[at_];
    if (sees("--") || sees("/*")) {
        comment(into);
    } else if (now == '\'') {
        quoted(into, '\'', false);
    } else if (now == '"') {
        quoted(into, '"', false);
    } else if (now == '$' && dollar_quoted(into)) {
    } else if (is_digit(now)) {
        into.kind = token_kind::number;
        while (at_ < text_.size() && (continues_word(text_[at_]) || text_[at_] == '.')) {
            ++at_;
        }
        into.text = text_.substr(into.begin, at_ - into.begin);
    } else if (starts_word(now)) {
        word(into);
    } else {
        into.text = now;
        ++at_;
    }
    into.end = at_;
    return true;
}

void lexer::comment(token& into) {
    into.kind = token_kind::comment;
    if (sees("--")) {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
        return;
    }
    int depth = 0;  // they nest
    do {
        if (sees("/*")) {
            ++depth;
            at_ += 2;
        } else if (sees("*/")) {
            --depth;
            at_ += 2;
        } else {
            ++at_;
        }
    } while (depth > 0 && at_ < text_.size());
    into.closed = depth == 0;
}

void lexer::quoted(token& into, char quote, bool escapes) {
    into.kind = quote == '"' ? token_kind::quoted : token_kind::string;
    into.closed = false;
    for (++at_; at_ < text_.size(); ++at_) {
        const char now = text_[at_];
        if (escapes && now == '\\' && at_ + 1 < text_.size()) {
            into.text += text_[++at_];
        } else if (now != quote) {
            into.text += now;
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
            into.text += text_[++at_];
        } else {
            into.closed = true;
            ++at_;
            return;
        }
    }
}

bool lexer::dollar_quoted(token& into) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '$' && continues_word(text_[end])) {
        ++end;
    }
    if (end >= text_.size() || text_[end] != '$' || is_digit(text_[at_ + 1])) {
        return false;
    }
    const std::string_view tag = text_.substr(at_, end - at_ + 1);
    const std::size_t close = text_.find(tag, end + 1);
    into.kind = token_kind::dollar_string;
    into.closed = close != std::string_view::npos;
    const std::size_t inner_end = into.closed ? close : text_.size();
    into.text = text_.substr(end + 1, inner_end - end - 1);
    at_ = into.closed ? close + tag.size() : text_.size();
    return true;
}

void lexer::word(token& into) {
    while (at_ < text_.size() && continues_word(text_[at_])) {
        ++at_;
    }
    const std::string_view spelled = text_.substr(into.begin, at_ - into.begin);
    if (at_ < text_.size() && text_[at_] == '\'' && spelled.size() == 1 &&
        std::string_view("eEbBxXnN").find(spelled[0]) != std::string_view::npos) {
        quoted(into, '\'', spelled[0] == 'e' || spelled[0] == 'E');
        return;
    }
    const bool unicode = spelled == "u" || spelled == "U";
    if (unicode && at_ + 1 < text_.size() && text_[at_] == '&' && (text_[at_ + 1] == '\'' || text_[at_ + 1] == '"')) {
        ++at_;
        quoted(into, text_[at_], false);
        return;
    }
    into.kind = token_kind::word;
    into.text = spelled;
    for (char& c : into.text) {
        // The server folds only ASCII in UTF-8 databases; so do we.
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
}

std::vector<token> tokens_of(std::string_view text) {
    std::vector<token> all;
    lexer from(text);
    token each;
    while (from.next(each)) {
        if (each.kind != token_kind::comment) {
            all.push_back(std::move(each));
        }
    }
    return all;
}

}  // namespace pgeist::ddl
