// The document's pictures as tables: which glyphs stand where, and what must have been seen for them to be there.
#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>

namespace natlens::diagram {

/// What a picture may show. "left" and "right" are the two nodes of a picture, the endpoint is below the left one;
/// "front" is where packets for the nodes come from: the load balancer, or the client where there is none.
enum class Fact : std::uint8_t {
    client,
    loadBalancer,
    left,
    right,
    endpoint,
    clientToBalancer,
    frontToLeft,
    leftToFront,
    droppedAtLeft,
    frontToRight,
    rightToFront,
    droppedAtRight,
    rightToLeft,
    leftToRight,
    answerLostAtRight,
    droppedBetween,
    snatAtRight,
    leftToEndpoint,
    endpointToLeft,
    answerLostAtLeft,
    checkLeft,
    checkLeftAnswered,
    checkLeftStatus,
    checkRight,
    checkRightAnswered,
    checkRightStatus,
    count
};
using Facts = std::bitset<static_cast<std::size_t>(Fact::count)>;

/// Texts that are not glyphs of the picture but come from the observations.
enum class Name : std::uint8_t { none, left, right, leftStatus, rightStatus };

/// How glyph follows glyph.
enum class Step : std::uint8_t { right, down, downRight, downLeft };

/// What an element keeps its distance to: a name that is longer than the document's grows away from the middle and
/// takes what is outside of it along.
enum class Keeps : std::uint8_t { place, outsideLeft, outsideRight };

struct Element {
    Fact when;
    int row, column;
    std::string_view glyphs; ///< or the document's text, whose width the name takes, centred
    Step step = Step::right;
    Keeps keeps = Keeps::place;
    Name name = Name::none;
};

/// The pictures. `across`: the right node forwards to the left one. `local`: each node for itself.
enum class Picture : std::uint8_t { nodePortAcross, nodePortLocal, balancerAcross, balancerLocal, podAcross, podLocal };

[[nodiscard]] std::span<const Element> elements(Picture picture);

} // namespace natlens::diagram
