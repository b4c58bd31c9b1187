"""The words of OCPP 2.x about money: sums (2.0.1), tariffs and payments (2.1)."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import on

from simulators.notices import Payment, VatQuestion
from simulators.voice import Voice


class MoneyVoiceV2X(Voice):
    """Shows what a transaction costs."""

    @on("CostUpdated")
    def on_cost_updated(self, total_cost: float, transaction_id: str, **_: Any) -> object:
        """CostUpdatedRequest."""
        self.station.outfit.till.shown[transaction_id] = total_cost
        return self.results.CostUpdated()

    def take_cost(self, transaction_id: str, result: Any | None) -> None:
        """Shows the cost that an answer to a TransactionEvent brings, if it does."""
        cost = None if result is None else result.total_cost
        if cost is not None:
            self.station.outfit.till.shown[transaction_id] = float(cost)


class MoneyVoiceV21(Voice):
    """Holds tariffs, and tells of payments."""

    requests: ClassVar[ModuleType]

    async def pay(self, notice: Payment | VatQuestion) -> None:
        """Tells what became of a payment, or asks whether a VAT number can be one."""
        till = self.station.outfit.till
        if isinstance(notice, VatQuestion):
            asked = self.requests.VatNumberValidation(
                vat_number=notice.vat_number, evse_id=notice.evse_id
            )
            answer = await self.ask(asked)
            if answer is not None:
                till.vat_numbers[notice.vat_number] = str(answer.status) == "Accepted"
            return
        told = self.requests.NotifySettlement(
            psp_ref=notice.psp_ref,
            settlement_amount=notice.amount,
            settlement_time=self.stamp(notice.settled_at),
            status=notice.status,
            transaction_id=notice.transaction_id,
            receipt_id=notice.receipt_id,
            vat_number=notice.vat_number,
            vat_company=notice.company,
        )
        answer = await self.ask(told)
        if answer is not None:
            till.receipts[notice.psp_ref] = answer.receipt_id or notice.receipt_id

    @on("SetDefaultTariff")
    def on_default_tariff(self, evse_id: int, tariff: dict[str, Any], **_: Any) -> object:
        """SetDefaultTariffRequest."""
        taken = self.station.outfit.till.set_default(evse_id, tariff)
        return self.results.SetDefaultTariff(status=taken)

    @on("GetTariffs")
    def on_get_tariffs(self, evse_id: int, **_: Any) -> object:
        """GetTariffsRequest."""
        held = self.station.outfit.till.held(evse_id)
        if not held:
            return self.results.GetTariffs(status="NoTariff")
        told: list[dict[str, Any]] = []
        for each in held:
            entry: dict[str, Any] = {"tariff_id": each.tariff_id, "tariff_kind": "DefaultTariff"}
            if each.evse_id:
                entry["evse_ids"] = [each.evse_id]
            told.append(entry)
        return self.results.GetTariffs(status="Accepted", tariff_assignments=told)

    @on("ClearTariffs")
    def on_clear_tariffs(self, **payload: Any) -> object:
        """ClearTariffsRequest."""
        ids: list[str] = payload.get("tariff_ids") or []
        results: list[dict[str, Any]] = []
        for tariff_id, status in self.station.outfit.till.clear(ids, payload.get("evse_id")):
            named = {} if tariff_id is None else {"tariff_id": tariff_id}
            results.append({"status": status, **named})
        return self.results.ClearTariffs(clear_tariffs_result=results)

    @on("ChangeTransactionTariff")
    def on_change_tariff(self, tariff: dict[str, Any], transaction_id: str, **_: Any) -> object:
        """ChangeTransactionTariffRequest."""
        running = any(
            evse.transaction is not None and evse.transaction.local_id == transaction_id
            for evse in self.station.evses.values()
        )
        if running:
            self.station.outfit.till.changed[transaction_id] = tariff
        return self.results.ChangeTransactionTariff(status="Accepted" if running else "TxNotFound")

    @on("NotifyWebPaymentStarted")
    def on_web_payment(self, evse_id: int, timeout: int, **_: Any) -> object:
        """NotifyWebPaymentStartedRequest."""
        self.station.outfit.till.web_payments.append((evse_id, timeout))
        return self.results.NotifyWebPaymentStarted()
