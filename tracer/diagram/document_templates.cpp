#include "tracer/diagram/document_templates.h"

#include <array>
#include <utility>

namespace natlens::diagram {
namespace {

using enum Fact;

// Reading the document's glyphs: an arrow is a run of strokes with its head (^ v V < > X) at one end. Of two parallel
// arrows one carries the request and one the reply. In the first picture `<---` runs from node 2 to node 1, so it is
// the request on its way to the endpoint's node; `--->` below it runs back to node 2, so it is the reply; "SNAT"
// between them names what node 2 did to the request. The document prints no other translation.

/// First picture: client, request to the right node, from there to the left one with the endpoint.
constexpr std::array kNodePortAcross{
    Element{client, 0, 10, "client"},
    Element{frontToRight, 1, 13, "\\\\v", Step::downRight},
    Element{droppedAtRight, 1, 13, "\\\\X", Step::downRight},
    Element{rightToFront, 1, 15, "^\\\\", Step::downRight},
    // Not in the document: a reply that does not go back the way the request came.
    Element{leftToFront, 1, 9, "^//", Step::downLeft},
    Element{left, 4, 3, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{rightToLeft, 4, 10, "<---"},
    Element{droppedBetween, 4, 10, "X---"},
    Element{right, 4, 15, "node 2", Step::right, Keeps::outsideRight, Name::right},
    Element{snatAtRight, 5, 10, "SNAT"},
    Element{leftToRight, 6, 10, "--->"},
    Element{answerLostAtRight, 6, 10, "---X"},
    Element{leftToEndpoint, 5, 4, "||v", Step::down},
    Element{endpointToLeft, 5, 6, "^||", Step::down},
    Element{answerLostAtLeft, 5, 6, "X||", Step::down},
    Element{endpoint, 8, 1, "endpoint"},
};

/// Second picture: the left node has the endpoint and answers, the right one drops.
constexpr std::array kNodePortLocal{
    Element{client, 0, 8, "client"},
    Element{leftToFront, 1, 7, "^//", Step::downLeft},
    Element{frontToLeft, 1, 9, "//v", Step::downLeft},
    Element{droppedAtLeft, 1, 9, "//X", Step::downLeft},
    Element{frontToRight, 1, 13, "\\\\v", Step::downRight},
    Element{droppedAtRight, 1, 13, "\\\\X", Step::downRight},
    Element{rightToFront, 1, 15, "^\\\\", Step::downRight},
    Element{left, 4, 3, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{right, 4, 14, "node 2", Step::right, Keeps::outsideRight, Name::right},
    Element{endpointToLeft, 5, 4, "^||", Step::down},
    Element{answerLostAtLeft, 5, 4, "X||", Step::down},
    Element{leftToEndpoint, 5, 6, "||v", Step::down},
    Element{endpoint, 8, 1, "endpoint"},
};

/// Third picture: the load balancer sends to the left node; health checks at both sides. The reply's arrow ends at
/// "lb VIP" although the node answers the client directly: the VIP is the source the client sees.
constexpr std::array kBalancerLocal{
    Element{client, 0, 22, "client"},
    Element{clientToBalancer, 1, 24, "|"},
    Element{loadBalancer, 2, 22, "lb VIP"},
    Element{frontToLeft, 3, 21, "/v", Step::downLeft},
    Element{droppedAtLeft, 3, 21, "/X", Step::downLeft},
    Element{leftToFront, 3, 23, "^/", Step::downLeft},
    Element{frontToRight, 3, 28, "\\v", Step::downRight},
    Element{droppedAtRight, 3, 28, "\\X", Step::downRight},
    Element{rightToFront, 3, 30, "^\\", Step::downRight},
    Element{checkLeft, 5, 0, "health check --->", Step::right, Keeps::outsideLeft},
    Element{checkLeftStatus, 6, 8, "200", Step::right, Keeps::outsideLeft, Name::leftStatus},
    Element{checkLeftAnswered, 6, 13, "<---", Step::right, Keeps::outsideLeft},
    Element{left, 5, 20, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{right, 5, 29, "node 2", Step::right, Keeps::outsideRight, Name::right},
    Element{checkRight, 5, 36, "<--- health check", Step::right, Keeps::outsideRight},
    Element{checkRightAnswered, 6, 36, "--->", Step::right, Keeps::outsideRight},
    Element{checkRightStatus, 6, 41, "500", Step::right, Keeps::outsideRight, Name::rightStatus},
    Element{endpointToLeft, 6, 20, "^|", Step::down},
    Element{answerLostAtLeft, 6, 20, "X|", Step::down},
    Element{leftToEndpoint, 6, 22, "|V", Step::down},
    Element{endpoint, 8, 17, "endpoint"},
};

/// Not in the document: the load balancer's node forwards to another one; the first picture below the third's top.
constexpr std::array kBalancerAcross{
    Element{client, 0, 27, "client"},
    Element{clientToBalancer, 1, 29, "|"},
    Element{loadBalancer, 2, 27, "lb VIP"},
    Element{frontToRight, 3, 30, "\\\\v", Step::downRight},
    Element{droppedAtRight, 3, 30, "\\\\X", Step::downRight},
    Element{rightToFront, 3, 32, "^\\\\", Step::downRight},
    Element{leftToFront, 3, 26, "^//", Step::downLeft},
    Element{checkLeft, 6, 0, "health check --->", Step::right, Keeps::outsideLeft},
    Element{checkLeftStatus, 7, 8, "200", Step::right, Keeps::outsideLeft, Name::leftStatus},
    Element{checkLeftAnswered, 7, 13, "<---", Step::right, Keeps::outsideLeft},
    Element{left, 6, 20, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{rightToLeft, 6, 27, "<---"},
    Element{droppedBetween, 6, 27, "X---"},
    Element{right, 6, 32, "node 2", Step::right, Keeps::outsideRight, Name::right},
    Element{checkRight, 6, 39, "<--- health check", Step::right, Keeps::outsideRight},
    Element{checkRightAnswered, 7, 39, "--->", Step::right, Keeps::outsideRight},
    Element{checkRightStatus, 7, 44, "200", Step::right, Keeps::outsideRight, Name::rightStatus},
    Element{snatAtRight, 7, 27, "SNAT"},
    Element{leftToRight, 8, 27, "--->"},
    Element{answerLostAtRight, 8, 27, "---X"},
    Element{leftToEndpoint, 7, 21, "||v", Step::down},
    Element{endpointToLeft, 7, 23, "^||", Step::down},
    Element{answerLostAtLeft, 7, 23, "X||", Step::down},
    Element{endpoint, 10, 18, "endpoint"},
};

/// Not in the document: the client is a pod, straight above its own node.
constexpr std::array kPodAcross{
    Element{client, 0, 15, "client"},
    Element{frontToRight, 1, 16, "||v", Step::down},
    Element{droppedAtRight, 1, 16, "||X", Step::down},
    Element{rightToFront, 1, 18, "^||", Step::down},
    Element{left, 4, 3, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{rightToLeft, 4, 10, "<---"},
    Element{droppedBetween, 4, 10, "X---"},
    Element{right, 4, 15, "node 2", Step::right, Keeps::outsideRight, Name::right},
    Element{snatAtRight, 5, 10, "SNAT"},
    Element{leftToRight, 6, 10, "--->"},
    Element{answerLostAtRight, 6, 10, "---X"},
    Element{leftToEndpoint, 5, 4, "||v", Step::down},
    Element{endpointToLeft, 5, 6, "^||", Step::down},
    Element{answerLostAtLeft, 5, 6, "X||", Step::down},
    Element{endpoint, 8, 1, "endpoint"},
};

/// Not in the document: client pod and endpoint on one node.
constexpr std::array kPodLocal{
    Element{client, 0, 3, "client"},
    Element{frontToLeft, 1, 4, "||v", Step::down},
    Element{droppedAtLeft, 1, 4, "||X", Step::down},
    Element{leftToFront, 1, 6, "^||", Step::down},
    Element{left, 4, 3, "node 1", Step::right, Keeps::outsideLeft, Name::left},
    Element{leftToEndpoint, 5, 4, "||v", Step::down},
    Element{endpointToLeft, 5, 6, "^||", Step::down},
    Element{answerLostAtLeft, 5, 6, "X||", Step::down},
    Element{endpoint, 8, 1, "endpoint"},
};

} // namespace

std::span<const Element> elements(Picture picture) {
    switch (picture) {
    case Picture::nodePortAcross: return kNodePortAcross;
    case Picture::nodePortLocal: return kNodePortLocal;
    case Picture::balancerAcross: return kBalancerAcross;
    case Picture::balancerLocal: return kBalancerLocal;
    case Picture::podAcross: return kPodAcross;
    case Picture::podLocal: return kPodLocal;
    }
    std::unreachable();
}

} // namespace natlens::diagram
