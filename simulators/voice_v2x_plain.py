"""Words of OCPP 2.x that are said and heard as the specification spells them.

The parts of an outfit that are seldom spoken of write and read whole payloads, because the `ocpp`
package has no SEND and loses some names on their way through Python. It still checks each message.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallResult, MessageType, validate_payload

from models.errors import FleetError
from simulators.link import LinkClosed
from simulators.notices import Words
from simulators.voice import ANSWER_WITHIN_S, Voice

SEND = 6


class PlainVoiceV2X(Voice):
    """Says and hears whole payloads."""

    async def speak(self, words: Words) -> None:
        """Says them, and hands the answer on.

        Raises:
            LinkClosed: if no answer came while the link was there, or in time.
        """
        if self.closed:
            raise LinkClosed
        unique_id = f"{next(self._ids):08d}"
        self.checks.said[self.version] += 1
        if words.unanswered:
            frame = [SEND, unique_id, words.action, words.payload]
            await self._send(json.dumps(frame, separators=(",", ":")))
            return
        self._open_call = unique_id
        try:
            call = Call(unique_id, words.action, words.payload)
            await validate_payload(call, self.version)
            await self._send(call.to_json())
            answer = await self._get_specific_response(unique_id, ANSWER_WITHIN_S)
            if answer.message_type_id == MessageType.CallError:
                raise answer.to_exception()
            await validate_payload(
                CallResult(unique_id, answer.payload, words.action), self.version
            )
            words.answered(answer.payload)
        except OCPPError as error:
            if self.closed:
                raise LinkClosed from error
            self.checks.complain(self.station.identity, words.action, error)
        except FleetError as error:
            raise LinkClosed(error.detail) from error
        except TimeoutError as error:
            await self.link.close()
            raise LinkClosed(f"no answer to {words.action}") from error
        finally:
            self._open_call = None

    async def _handle_call(self, msg: Any) -> Any:
        """Lets the part answer that has something to do with it."""
        action = str(msg.action)
        hear = self.station.outfit.hears.get(action)
        if hear is None or action not in self.known_actions:
            return await super()._handle_call(msg)
        self.checks.said[self.version] += 1
        try:
            await validate_payload(msg, self.version)
            result = msg.create_call_result(hear(msg.payload, self.now()))
            await validate_payload(result, self.version)
        except OCPPError as error:
            self.checks.complain(self.station.identity, f"{action} from the service", error)
            raise
        await self._send(result.to_json())
        return None
